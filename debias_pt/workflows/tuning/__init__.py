"""Search over settings of training."""
