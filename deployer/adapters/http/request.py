"""One HTTP request to one host, as a client would send it: the only module that knows httpx.

No proxy of the environment, no redirect followed, a fresh connection each time (a kept one may belong to a worker
that is on its way out), a deadline over the whole request, at most 1 MiB of body. The connection goes to the
inventory host and nowhere else; the Host header and the TLS name come from the probe.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from deployer.model.errors import HostError
from deployer.model.fleet import Host
from deployer.model.schema.health import Probe
from deployer.services.headers import cache_hit

if TYPE_CHECKING:
    import httpx

BODY_CAP = 1024 * 1024  # bytes; more is not read
HEADERS = {"User-Agent": "deployer-probe", "Accept": "*/*", "Accept-Encoding": "identity"}


@dataclass(frozen=True, slots=True)
class Answer:
    """status: 0 when there was none. ms: until the last byte that was read. hit: came from the cache; None when the
    headers do not say. error: why there is no answer, or none as asked for; "" when all is well. timed_out: as this
    machine sees it, which may have been late itself."""

    status: int = 0
    ms: float = 0.0
    hit: bool | None = None
    error: str = ""
    timed_out: bool = False


class Unsendable(Exception):
    """This request cannot be sent from here at all: the host was never asked."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where a probe goes on one host. host: the Host header; name: for TLS (SNI and certificate)."""

    address: str
    port: int
    scheme: str
    host: str
    name: str
    path: str

    @property
    def url(self) -> str:
        """With the pinned address."""
        address = f"[{self.address}]" if ":" in self.address else self.address
        return f"{self.scheme}://{address}:{self.port}{self.path}"


def resolve(name: str) -> str:
    """The first address of `name`, IPv4 before IPv6. Addresses are compared after resolution, never as strings:
    0x7f000001 and ::ffff:169.254.169.254 are addresses too. Raises Unsendable for link-local ones (cloud
    metadata) and unknown names.
    """
    try:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise Unsendable(f"cannot resolve {name}: {error}; set ansible_host in the inventory") from error
    first = min(found, key=lambda entry: entry[0] != socket.AF_INET)
    address = ipaddress.ip_address(str(first[4][0]).split("%")[0])
    mapped = getattr(address, "ipv4_mapped", None) or address
    if mapped.is_link_local or mapped.is_unspecified or mapped.is_multicast:
        raise Unsendable(f"{name} is {address}: probes are not sent to link-local addresses")
    return str(address)


def target(host: Host, probe: Probe, address: str) -> Target:
    """Where `probe` goes when `host` has `address`. A full URL keeps its scheme, its port and its name, never its
    address. Raises Unsendable for what is no URL."""
    if any(ord(c) <= 32 or ord(c) == 127 for c in probe.url + probe.host):
        raise Unsendable(f"probe {probe.name}: spaces and control characters must be percent-encoded")
    try:
        parts = urlsplit(probe.url)
        named, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise Unsendable(f"probe {probe.name}: {probe.url} is not a URL: {error}") from error
    scheme = parts.scheme or "http"
    if scheme not in ("http", "https") or (parts.scheme and not named):
        raise Unsendable(f"probe {probe.name}: {probe.url} is neither a path nor http:// or https://")
    if port is None:
        port = int(str(host.vars.get("https_port", 443))) if scheme == "https" else host.http_port
    header = probe.host or parts.netloc.rpartition("@")[2] or default_header(host, port)
    name = urlsplit(f"//{header}").hostname or named
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(address, port, scheme, header, name, path)


def default_header(host: Host, port: int) -> str:
    """What a browser would send that was given the host's own name."""
    name = host.address or host.name
    name = f"[{name}]" if ":" in name else name
    return name if port == 80 else f"{name}:{port}"


def make_client() -> httpx.AsyncClient:
    """A client for `fetch`; to be made and closed in the event loop that uses it."""
    import ssl

    import httpx

    return httpx.AsyncClient(
        verify=ssl.create_default_context(),  # the machine's own trust store, where a company's CA is
        trust_env=False,
        follow_redirects=False,
        headers=HEADERS,
        timeout=None,  # noqa: S113  (httpx counts per operation; `fetch` holds one deadline over all of them)
        limits=httpx.Limits(max_connections=None, max_keepalive_connections=0),
    )


def get(url: str, query: Mapping[str, str], timeout: float) -> tuple[int, bytes]:
    """(status, body) of one GET, for what is no probe. Bounded like a probe: `timeout` seconds for the whole, BODY_CAP
    bytes, no proxy, no redirect. Raises HostError."""
    import httpx

    end = time.monotonic() + timeout
    body = bytearray()
    try:
        with (
            httpx.Client(trust_env=False, follow_redirects=False, timeout=timeout, headers=HEADERS) as client,
            client.stream("GET", url, params=dict(query)) as answer,
        ):
            for chunk in answer.iter_raw():
                body += chunk
                if len(body) > BODY_CAP or time.monotonic() > end:
                    raise HostError("the answer is too large or too slow")
            return answer.status_code, bytes(body)
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
        raise HostError(describe(error)) from None


async def fetch(client: httpx.AsyncClient, where: Target, probe: Probe) -> Answer:
    """Ask once. Never raises but for cancellation."""
    import httpx

    began = time.perf_counter()
    try:
        async with asyncio.timeout(probe.timeout):
            answer = await exchange(client, where, probe)
    except TimeoutError:
        answer = Answer(error=f"no complete answer within {probe.timeout:g} s", timed_out=True)
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
        answer = Answer(error=describe(error))
    return replace(answer, ms=(time.perf_counter() - began) * 1000)


async def exchange(client: httpx.AsyncClient, where: Target, probe: Probe) -> Answer:
    """Send, read up to the cap, compare with what the probe expects."""
    extensions = {"sni_hostname": where.name} if where.scheme == "https" else {}
    request = client.build_request("GET", where.url, headers={"Host": where.host}, extensions=extensions)
    answer = await client.send(request, stream=True)
    body = bytearray()
    try:
        async for chunk in answer.aiter_raw():
            body += chunk[: BODY_CAP - len(body)]
            if len(body) >= BODY_CAP:
                break
    finally:
        await answer.aclose()
    headers: Mapping[str, str] = answer.headers
    return Answer(answer.status_code, hit=cache_hit(headers), error=complaint(probe, answer.status_code, bytes(body)))


def complaint(probe: Probe, status: int, body: bytes) -> str:
    """What is wrong with an answer; "" when it is as expected."""
    if status != probe.expect:
        return f"status {status} instead of {probe.expect}"
    if probe.contains and probe.contains.encode() not in body:
        return f"the answer does not contain {probe.contains!r}"
    return ""


def describe(error: Exception) -> str:
    """One line, never empty, without control characters."""
    text = "".join(c for c in str(error) if c.isprintable()) or "connection failed"
    return f"{type(error).__name__}: {text}"
