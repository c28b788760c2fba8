"""Floor 0: the nouns. Frozen values and pure functions; no I/O, no clock, no randomness."""
