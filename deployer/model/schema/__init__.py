"""The types that are the schema of what people write: playbooks, health checks, sources, quantities."""
