"""Scripts that write one page or one table of the docs; run them from a checkout: ``python -m studies.NAME``."""
