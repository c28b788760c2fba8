"""Playbook: one service role. This type is the schema of `playbooks/<name>/playbook.yml`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from deployer.model.quantity import parse_duration, parse_rate, parse_serial, parse_share

Seconds = Annotated[float, BeforeValidator(parse_duration)]
Serial = Annotated[tuple[str, ...], BeforeValidator(parse_serial)]


def absolute(path: str) -> str:
    """A directory on the host: absolute, normal, not the root itself."""
    parts = path.split("/")
    if not path.startswith("/") or path == "/" or ".." in parts or "." in parts:
        raise ValueError("must be an absolute path below / without . or ..")
    return path.rstrip("/")


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
    change to fail its proof and go back."""

    name: str = ""
    service: Literal["nginx", "varnish", "haproxy", "squid", "apache", "trafficserver", "custom"]
    hosts: str
    dest: Annotated[str, AfterValidator(absolute)]
    serial: Serial = ("1", "25%", "100%")
    bake: Seconds = 120.0
    confirm_timeout: Annotated[Seconds, Field(ge=5, le=3600)] = 60.0
    health_checks: tuple[str, ...] = ()
    restart: Literal["never", "allow"] = "never"
    keep_releases: Annotated[int, Field(ge=2, le=100)] = 5
    custom: CustomCommands | None = None
    warm: Warm | None = None
