"""The suites' results as HTML pages: ``bench ... --html FILE``."""
