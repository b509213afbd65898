"""The noisy-label suite: how ways of adapting a model stand wrong labels."""
