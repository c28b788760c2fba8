"""Playbook: one service role. This type is the schema of `playbooks/<name>/playbook.yml`."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from deployer.model.dest import own_directory
from deployer.model.release import FILE_PATH
from deployer.model.schema.quantity import parse_duration, parse_rate, parse_serial, parse_share
from deployer.model.state import LONGEST_LEASE

Seconds = Annotated[float, BeforeValidator(parse_duration)]
Serial = Annotated[tuple[str, ...], BeforeValidator(parse_serial)]
LONGEST_BAKE = 24 * 3600.0


def watched(seconds: float) -> float:
    """A bake: long enough to see something, short enough to end."""
    if not 0 < seconds <= LONGEST_BAKE:
        raise ValueError("must be longer than nothing (without watching no verdict is healthy) and 24h at most")
    return seconds


def lease(seconds: float) -> float:
    """confirm_timeout: three renewals must fit in, and a host must not wait for ever."""
    if not 5 <= seconds <= LONGEST_LEASE:
        raise ValueError("must be 5s to 1h: it is renewed every third of it while the deployer lives")
    return seconds


def below(paths: tuple[str, ...]) -> tuple[str, ...]:
    """Files of a release, or folders of it with a slash at the end."""
    for path in paths:
        if not FILE_PATH.fullmatch(path.removesuffix("/")) or {".", ".."} & set(path.split("/")):
            raise ValueError(f"{path!r} is no file below dest (nor a folder, written as ssl/)")
    return paths


def unix_group(name: str) -> str:
    """ "" or the name of a group on the hosts."""
    if not re.fullmatch(r"[a-z_][a-z0-9_-]{0,31}|", name):
        raise ValueError(f"{name!r} is not the name of a group")
    return name


class Schema(BaseModel):
    """Base of every type a user writes: frozen; unknown keys are errors (the reader drops `x-` keys first)."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class CustomCommands(Schema):
    """`service: custom`: shell commands run on the host. check gets the staged tree as $1; verify must exit 0
    only if the running service has the release id $1 loaded; status exits 0 if the service runs."""

    check: str
    activate: str
    verify: str
    status: str = "true"
    start: str = ""


class Warm(Schema):
    """What a cache is asked for after an activation that emptied it, and by `deploy warm`. urls: a file beside the
    playbook, one path a line; access_log: `top N`, the most requested of each host's own log. rate: requests a second
    per host; until: share of answers from the cache at which it is warm. via ssh: sent from the host itself."""

    urls: str = ""
    access_log: Annotated[str, Field(pattern=r"^(top [1-9][0-9]{0,4})?$")] = ""
    rate: Annotated[float, BeforeValidator(parse_rate)] = 50.0
    concurrency: Annotated[int, Field(ge=1, le=64)] = 8
    until: Annotated[float, BeforeValidator(parse_share)] = 0.9
    host: str = ""
    via: Literal["http", "ssh"] = "http"

    @model_validator(mode="after")
    def one_list(self) -> Warm:
        """Exactly one of the two lists."""
        if bool(self.urls) == bool(self.access_log):
            raise ValueError("write either urls: FILE or access_log: top N")
        return self


class Playbook(Schema):
    """bake, confirm_timeout: seconds (written as `2m`, `90s`). serial: Ansible's waves: counts and percentages.
    restart: may a push stop and start the service where a reload cannot make the change live? `never` leaves such a
    change to fail its proof and go back. group: whose members alone (and root) may read releases on the hosts; without
    it they are readable by all, as a package's files in /etc are.

    needs: paths below dest without which nothing is pushed: `deploy init` writes what it left out of the repository.
    no_log: inventory variables whose values are never said (those with secret names are hidden anyway).
    require_signed: only a revision whose signature ssh-keygen verifies against allowed_signers (a file of the checkout,
    or an absolute path); signed_by: and only by one of these principals. The inventory can ask for the same per
    environment with deploy_require_signed, deploy_allowed_signers and deploy_signed_by."""

    name: str = ""
    service: Literal["nginx", "varnish", "haproxy", "squid", "apache", "trafficserver", "custom"]
    hosts: str
    dest: Annotated[str, AfterValidator(own_directory)]
    serial: Serial = ("1", "25%", "100%")
    bake: Annotated[Seconds, AfterValidator(watched)] = 120.0
    confirm_timeout: Annotated[Seconds, AfterValidator(lease)] = 60.0
    health_checks: tuple[str, ...] = ()
    restart: Literal["never", "allow"] = "never"
    keep_releases: Annotated[int, Field(ge=2, le=100)] = 5
    group: Annotated[str, AfterValidator(unix_group)] = ""
    needs: Annotated[tuple[str, ...], AfterValidator(below)] = ()
    no_log: tuple[str, ...] = ()
    require_signed: bool = False
    allowed_signers: str = ""
    signed_by: tuple[str, ...] = ()
    custom: CustomCommands | None = None
    warm: Warm | None = None
