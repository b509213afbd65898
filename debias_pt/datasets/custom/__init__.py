"""Lists of images and their labels from folder trees, tables and folders with metadata, and drawing their splits."""
