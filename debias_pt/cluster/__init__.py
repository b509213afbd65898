"""Work on many machines, through Ray: joining a cluster, and spreading work over its workers."""
