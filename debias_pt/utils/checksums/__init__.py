"""What we write to read it again later, possibly damaged or from a stranger: checked when it is read."""
