"""One service on one host: where it lies there, and how it is spoken to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from deployer.model.fleet import Host
from deployer.model.sh import Sh
from deployer.remote.layout import Layout
from deployer.services.base import AccessLog, Phrasebook, ServiceSettings


@dataclass(frozen=True, slots=True)
class Site:
    """layout: of the playbook on the host."""

    host: Host
    layout: Layout
    service: Phrasebook

    @property
    def settings(self) -> ServiceSettings:
        """What the phrasebook needs to know of the host."""
        return ServiceSettings(self.layout.dest, self.layout.root, self.layout.prefix, self.host.vars)

    def script(self) -> Sh:
        """The service's shell functions for this host."""
        return self.service.script(self.settings)

    def access_log(self, files: Mapping[str, bytes]) -> AccessLog | None:
        """How the host logs with these files: path below dest -> content. Raises InputError."""
        return self.service.access_log(files, self.settings)
