"""While a deploy goes on: events become lines, a live view or CI sections."""
