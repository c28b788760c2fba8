"""What a CI service reads: the plain lines in its sections, with what it shows beside a change."""
