"""Data sets with a name, one file each or a few in one; importing a file registers them."""
