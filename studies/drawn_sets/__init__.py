"""Real skewed data sets made by drawing photographs: which, and how."""
