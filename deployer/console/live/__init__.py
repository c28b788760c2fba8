"""While a deploy goes on: events become lines or a live view."""
