"""Tables of groups for people; of many groups, the worst."""
