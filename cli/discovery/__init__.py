"""``debias-pt discover`` and ``debias-pt bench discovery``."""
