"""Floor 3: the order of things. Knows ports (`ports.py`), never adapters.

Here lies what every command uses, and what changes no host; a deploy is in deploy/.
"""
