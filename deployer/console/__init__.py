"""Floor 4: everything that a person or a pipeline reads. Nothing here decides."""
