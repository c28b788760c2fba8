"""Floor 1: the phrasebooks. Pure: each returns text; nothing here runs anything."""

from __future__ import annotations

from deployer.model.errors import InputError
from deployer.model.schema.playbook import Playbook
from deployer.services.apache.phrasebook import Apache
from deployer.services.base import Service
from deployer.services.custom.phrasebook import Custom
from deployer.services.haproxy.phrasebook import HAProxy
from deployer.services.nginx.phrasebook import Nginx
from deployer.services.squid.phrasebook import Squid
from deployer.services.trafficserver.phrasebook import TrafficServer
from deployer.services.varnish.phrasebook import Varnish

PHRASEBOOKS: tuple[Service, ...] = (Nginx(), Varnish(), HAProxy(), Squid(), Apache(), TrafficServer())
SERVICES = {service.name: service for service in PHRASEBOOKS}


def service_for(playbook: Playbook) -> Service:
    """The phrasebook of a playbook's service. Raises InputError for one that this version does not speak."""
    if playbook.service in SERVICES:
        return SERVICES[playbook.service]
    if playbook.service == "custom" and playbook.custom is not None:
        return Custom(playbook.custom)
    if playbook.service == "custom":
        raise InputError(
            f"playbook {playbook.name}: service custom needs its commands",
            hint="add custom: {check: ..., activate: ..., verify: ...}",
        )
    raise InputError(
        f"playbook {playbook.name}: service {playbook.service} is not supported by this version",
        hint=f"supported are {', '.join(SERVICES)} and custom",
    )
