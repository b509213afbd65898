"""Bringing published data sets here: download, check, unpack, and only then rename."""
