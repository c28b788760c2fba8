"""One metric over time: what the fleet was like before, the canary beside the control, who gave data.

Imports stats, and not ruling.
"""
