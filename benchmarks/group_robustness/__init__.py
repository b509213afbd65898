"""The group-robustness suite: methods compared on one data set."""
