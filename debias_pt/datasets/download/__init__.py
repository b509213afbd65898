"""Getting published data sets: download, check, unpack, and only then rename."""
