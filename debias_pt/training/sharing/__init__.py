"""A fitted tuner outside the process: a folder, the Hub, and formats of other runtimes."""
