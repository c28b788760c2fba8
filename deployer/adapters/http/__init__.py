"""One request as a client sends it, over the network or from the host itself; caches that are warmed with many.

Imports no other wing.
"""
