"""``bench discovery``: is the shortcut found without its name?"""
