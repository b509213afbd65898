"""The methods beside each other, one file each."""
