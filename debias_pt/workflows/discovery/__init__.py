"""``debias-pt discover`` and ``--attribute auto``."""
