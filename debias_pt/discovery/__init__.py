"""Discovery: the shortcut found without its name."""
