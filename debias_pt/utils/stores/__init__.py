"""Files that are not on this machine's disks: addresses, reading with patience, folders, versions."""
