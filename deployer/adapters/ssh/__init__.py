"""The wire: what ssh_config means, keys on both sides, one connection a host, the host verbs on it.

Of the other wings: local (children, deadlines), http (what a page of a found host answers).
"""
