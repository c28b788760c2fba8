"""Files of the checkout become values of model/: inventory, playbooks, health checks, all strict.

Imports no other wing.
"""
