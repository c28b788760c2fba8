"""Floor 1: the phrasebooks. Pure: each returns text; nothing here runs anything."""

from __future__ import annotations

from deployer.model.errors import InputError
from deployer.model.schema.playbook import Playbook
from deployer.services.apache.phrasebook import APACHE
from deployer.services.base import Phrasebook
from deployer.services.custom.phrasebook import custom
from deployer.services.haproxy.phrasebook import HAPROXY
from deployer.services.nginx.phrasebook import NGINX
from deployer.services.squid.phrasebook import SQUID
from deployer.services.trafficserver.phrasebook import TRAFFIC_SERVER
from deployer.services.varnish.phrasebook import VARNISH

PHRASEBOOKS: tuple[Phrasebook, ...] = (NGINX, VARNISH, HAPROXY, SQUID, APACHE, TRAFFIC_SERVER)
SERVICES = {service.name: service for service in PHRASEBOOKS}


def service_for(playbook: Playbook) -> Phrasebook:
    """The phrasebook of a playbook's service. Raises InputError for one that this version does not speak."""
    if playbook.service in SERVICES:
        return SERVICES[playbook.service]
    if playbook.service == "custom" and playbook.custom is not None:
        return custom(playbook.custom)
    if playbook.service == "custom":
        raise InputError(
            f"playbook {playbook.name}: service custom needs its commands",
            hint="add custom: {check: ..., activate: ..., verify: ...}",
        )
    raise InputError(
        f"playbook {playbook.name}: service {playbook.service} is not supported by this version",
        hint=f"supported are {', '.join(SERVICES)} and custom",
    )
