"""``debias-pt cache``: what is stored."""
