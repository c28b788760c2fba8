"""What is judged: probes, visitors, figures, put together to one sample a tick.

Of the other wings: http, ssh (logs and counters of hosts), local (children).
"""
