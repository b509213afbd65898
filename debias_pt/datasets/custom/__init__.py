"""Images and what is written about each: folder trees, tables, folders with metadata; and splits drawn for them."""
