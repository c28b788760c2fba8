"""An ordinary Ansible inventory: the hosts, groups, variables and types that `ansible-inventory --list` gives, or a
refusal that names file and line. docs/INVENTORY.md has the table of what is honoured and what is refused.
"""

from deployer.adapters.reading.inventory.environments import environment_hosts
from deployer.adapters.reading.inventory.load import inventories, load_inventory

__all__ = ["environment_hosts", "inventories", "load_inventory"]
