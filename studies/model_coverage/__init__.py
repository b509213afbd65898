"""Does every architecture and every set of weights that open_clip names work here? Random, small stand-ins tell."""
