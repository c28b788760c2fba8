"""What a command says at its end: a value becomes text and JSON."""
