"""A fitted tuner for others: exports to other runtimes, and the Hugging Face Hub with its model card."""
