"""How fast the hot parts are, compared with alternatives and the machine's limits."""
