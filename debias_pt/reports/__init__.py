"""``debias-pt report`` and ``debias-pt compare``: finished runs, for those who decide whether to use them."""
