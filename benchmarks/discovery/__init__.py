"""The suite ``bench discovery``."""
