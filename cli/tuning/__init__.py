"""The command that searches over settings."""
