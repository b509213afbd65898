"""Data sets packed into tar files, in webdataset's form: files of one name are one sample."""
