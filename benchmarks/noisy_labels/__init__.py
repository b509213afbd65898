"""The noisy-label suite: how well ways of adapting a model tolerate wrong labels."""
