"""What each command does, one file each, as plain functions from settings to a JSON result."""
