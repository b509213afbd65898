"""HTML pages and notebook views of plain values: one file, no script, nothing from elsewhere."""
