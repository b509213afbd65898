"""The group-robustness suite: methods beside each other on one data set."""
