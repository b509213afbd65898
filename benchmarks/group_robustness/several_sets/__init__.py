"""Methods on several data sets: which is good everywhere, and which fails somewhere."""
