"""What the suites share: stored results, tables, figures."""
