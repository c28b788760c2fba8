"""Floor 2: what we say to a host and how its answer is read. Pure; the wire is adapters/ssh.

Imports services/ and model/.
"""
