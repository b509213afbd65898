"""How fast the hot parts are, beside their rivals and the machine's own limits."""
