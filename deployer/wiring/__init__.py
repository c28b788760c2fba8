"""Floor 5, the one composition root: from options and files to ports, policies and gates.

Imports everything below; imported by commands/ only.
"""
