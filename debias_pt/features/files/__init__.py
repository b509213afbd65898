"""Features that somebody saved, as a data set: arrays, tables, and the folders that clip-retrieval writes."""
