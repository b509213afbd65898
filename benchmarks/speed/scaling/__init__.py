"""How time and memory grow with training rows, classes, groups and stacked runs."""
