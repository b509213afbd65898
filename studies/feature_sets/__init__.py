"""Skewed sets drawn from features that a real CLIP made, where its images and the model itself are not at hand."""
