"""Sizes beyond one machine's memory: an index of many keys, and a fit from a file; each is a command of its own."""
