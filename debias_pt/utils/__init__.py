"""Files, hashing, registries, progress and tensors: knows nothing of images or groups."""
