"""Probes with `via: ssh`: sent by the host to itself, with curl or wget, over the connection that is already open.

For services that answer nobody but their neighbours. The request goes to 127.0.0.1 on the service's port.
"""

from __future__ import annotations

import re
import time
from typing import Protocol

from deployer.adapters.http.request import BODY_CAP, Answer, Target, Unsendable, complaint, target
from deployer.model.errors import HostError
from deployer.model.fleet import Host
from deployer.model.schema.health import Probe
from deployer.model.sh import EMPTY, Sh, sh
from deployer.services.headers import cache_hit

MARK = "deployer-probe:"
HEAD_CAP = 64 * 1024  # bytes of headers that may precede the body
ANSWER = BODY_CAP + HEAD_CAP + 64 * 1024  # bytes of it, with what is added about it and a login script's words
SLACK = 3.0  # seconds the connection may take beyond the probe's own time-out
STATUS = re.compile(r"^\s*HTTP/[0-9.]+ +([0-9]{3})")


class Ran(Protocol):
    """A command that ran on a host."""

    @property
    def exit(self) -> int | None: ...

    @property
    def stdout(self) -> bytes | str: ...

    @property
    def stderr(self) -> bytes | str: ...


class Runner(Protocol):
    """Runs one line of POSIX sh on a host within `deadline` seconds. Raises HostError when it cannot."""

    def __call__(self, host: Host, line: Sh, deadline: float) -> Ran: ...


class SshProber:
    """Asks from the host itself. Thread safe as far as `run` is."""

    def __init__(self, run: Runner) -> None:
        self._run = run

    def ask(self, host: Host, probe: Probe) -> Answer:
        """One request. Raises Unsendable when the host could not be asked to send it (no connection, no curl)."""
        where = target(host, probe, "127.0.0.1")
        began = time.perf_counter()
        try:
            ran = self._run(host, line(where, probe), probe.timeout + SLACK)
        except HostError as error:
            raise Unsendable(f"cannot run a probe on {host.name}: {error}") from error
        elapsed = (time.perf_counter() - began) * 1000
        if ran.exit is None:
            raise Unsendable(f"cannot run a probe on {host.name}: the connection ended before the answer")
        if ran.exit == 127:
            raise Unsendable(f"{host.name} has neither curl nor wget for the probe {probe.name}")
        return read(raw(ran.stdout), raw(ran.stderr), probe, elapsed)


def line(where: Target, probe: Probe) -> Sh:
    """The command. curl keeps name and address apart (--connect-to), so TLS is verified against the name; wget cannot,
    and is used for plain HTTP only. Neither reads a proxy or a configuration file of the user who logs in."""
    name = f"[{where.name}]" if ":" in where.name else where.name
    named = f"{where.scheme}://{name}:{where.port}{where.path}"
    pinned = f"{name}:{where.port}:{where.address}:{where.port}"
    header, most = f"Host: {where.host}", BODY_CAP + HEAD_CAP
    curl = sh(
        "curl -q -sS -i -g --http1.1 --noproxy '*' --max-time {} --connect-to {} -A deployer-probe -H {} -w {} -- {}",
        *(f"{probe.timeout:.3f}", pinned, header, f"\\n{MARK}%{{http_code}} %{{time_total}}\\n", named),
    )
    wget = sh(
        "wget -q -S -O - -T {} -U deployer-probe --header {} -- {} 2>&1",
        *(max(1, round(probe.timeout)), header, where.url),
    )
    fallback = sh("elif command -v wget >/dev/null 2>&1; then {} | head -c {}; ", wget, most)
    return sh(
        "unset http_proxy https_proxy all_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY; "
        "if command -v curl >/dev/null 2>&1; then {} | {{ head -c {}; tail -c 256; }}; {}else exit 127; fi",
        *(curl, most, fallback if where.scheme == "http" else EMPTY),
    )


def read(stdout: bytes, stderr: bytes, probe: Probe, elapsed: float) -> Answer:
    """What came back: headers, body, and from curl a last line with the status and the seconds it took. elapsed:
    milliseconds of the whole command, used when nothing better is known."""
    body, _, trailer = stdout.rpartition(f"\n{MARK}".encode())
    timed = re.match(rb"(\d{3}) (\d+(?:[.,]\d+)?)\s*$", trailer)
    if not timed:
        body = stdout
    ms = float(timed[2].replace(b",", b".")) * 1000 if timed else elapsed
    status, headers, content = split(body)
    if not status:
        text = "".join(c for c in (stderr or stdout).decode("utf-8", "replace").strip()[:200] if c.isprintable())
        return Answer(ms=ms, error=text or f"no answer within {probe.timeout:g} s")
    if timed and b"curl: (28)" in stderr:
        return Answer(status, ms, error=f"no complete answer within {probe.timeout:g} s")
    return Answer(status, ms, cache_hit(headers), complaint(probe, status, content[:BODY_CAP]))


def split(answer: bytes) -> tuple[int, dict[str, str], bytes]:
    """(status, headers, body) of the first final answer; status 0 where there is none. wget indents headers and has
    no empty line after them."""
    status, headers = 0, dict[str, str]()
    rest = answer
    while rest:
        text, _, after = rest.partition(b"\n")
        entry = text.decode("latin-1").rstrip("\r")
        if found := STATUS.match(entry):
            if status >= 200:
                return status, headers, b""  # a redirect that wget followed: the first answer counts
            status, headers = int(found[1]), {}
        elif status and ":" in entry and re.match(r"\s*[!#$%&'*+.^_`|~0-9A-Za-z-]+:", entry):
            name, _, value = entry.partition(":")
            headers[name.strip().lower()] = value.strip()
        elif status and not entry.strip():
            if status >= 200:
                return status, headers, after
        elif status >= 200:
            return status, headers, rest
        rest = after
    return status, headers, b""


def raw(text: bytes | str) -> bytes:
    """Bytes, whichever the connection gives."""
    return text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text
