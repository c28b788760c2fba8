"""Floor 3: the order of things. Knows ports, never adapters."""
