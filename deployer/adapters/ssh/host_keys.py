"""Strict host keys for paramiko: known_hosts decides about the key of every hop, and nothing is ever added.

paramiko is given no keys of its own: it knows neither markers nor patterns, and would compare with the first key it
finds. It asks the policy about every key, and asks the server for the kinds that can be checked: a certificate first
where an authority is listed, else the kinds that are known.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from deployer.adapters.ssh.algorithms import ANY, Algorithms, restrict
from deployer.adapters.ssh.config import Target
from deployer.adapters.ssh.known_hosts import Line, fingerprint, lookup_name, matches

if TYPE_CHECKING:
    import paramiko

RSA = ("rsa-sha2-512", "rsa-sha2-256")  # the algorithms of a key that known_hosts calls ssh-rsa
KINDS = ("ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", *RSA)
CERTIFICATE = "-cert-v01@openssh.com"


def strict_client(hop: Target, known: tuple[Line, ...]) -> paramiko.SSHClient:
    """A client for `hop` whose policy decides by `known` and never adds a key."""
    import paramiko

    filed = hop.known_as or lookup_name(hop.hostname, hop.port)
    lines = tuple(line for line in known if matches(line, filed))
    principal = hop.known_as or hop.hostname

    class Decide(paramiko.MissingHostKeyPolicy):
        """Asked about every key: the client holds none."""

        def missing_host_key(self, client: object, hostname: str, key: paramiko.PKey) -> None:
            if complaint := judge(key, lines, filed, principal, time.time(), hop.algorithms):
                raise paramiko.SSHException(complaint)

    client = paramiko.SSHClient()
    client.set_missing_host_key_policy(Decide())
    return client


def asking_for(hop: Target, known: tuple[Line, ...]) -> Callable[..., paramiko.Transport]:
    """paramiko's `transport_factory`: which kinds of host key to ask for, the ones that can be checked first."""
    filed = hop.known_as or lookup_name(hop.hostname, hop.port)
    lines = [line for line in known if matches(line, filed)]
    listed = {kind for line in lines if not line.marker for kind in (RSA if line.kind == "ssh-rsa" else (line.kind,))}
    kinds = sorted(KINDS, key=lambda kind: kind not in listed)
    if any(line.marker == "@cert-authority" for line in lines):
        kinds = [f"{kind}{CERTIFICATE}" for kind in kinds] + kinds
    allowed = [kind for kind in kinds if not hop.algorithms.host_keys or kind in hop.algorithms.host_keys]

    def make(sock: Any, **options: Any) -> paramiko.Transport:
        import paramiko

        from deployer.adapters.ssh.bounds import BoundedPackets

        transport = paramiko.Transport(sock, packetizer_class=BoundedPackets, **options)
        if not allowed:
            raise paramiko.SSHException("HostKeyAlgorithms of the ssh configuration allows none that is read here")
        transport.get_security_options().key_types = tuple(allowed)
        restrict(transport, hop.algorithms)
        if names := hop.algorithms.public_keys:
            transport.disabled_algorithms = {"pubkeys": [name for name in RSA if name not in names]}
        return transport

    return make


def judge(
    key: paramiko.PKey,
    lines: tuple[Line, ...],
    filed: str,
    principal: str,
    now: float,
    rules: Algorithms = ANY,
) -> str:
    """Why the offered `key` (a certificate is in its `public_blob`) is refused; "" when known_hosts vouches for it.

    principal: the name a certificate must list. now: seconds since the epoch. rules: of the ssh configuration."""
    offered = f"{key.get_name()} {fingerprint(key.asbytes())}"
    if key.get_name() == "ssh-rsa" and key.get_bits() < rules.rsa_bits:
        return f"host key {offered} has {key.get_bits()} bits, RequiredRSASize asks for {rules.rsa_bits}"
    revoked = {line.blob: line.place for line in lines if line.marker == "@revoked"}
    if key.get_base64() in revoked:
        return f"host key {offered} is revoked ({revoked[key.get_base64()]})"
    plain = [line for line in lines if not line.marker and line.blob not in revoked]
    if any(line.blob == key.get_base64() for line in plain):
        return ""
    authorities = [line for line in lines if line.marker == "@cert-authority" and line.blob not in revoked]
    if key.public_blob is not None and authorities:
        from deployer.adapters.ssh.host_certificate import objection

        why = objection(
            key.public_blob.key_blob, {line.blob for line in authorities}, principal, now, rules.authorities
        )
        return f"the host certificate of {offered} is refused: {why}" if why else ""
    if plain:
        same = [line for line in plain if line.kind == key.get_name()] or plain
        was = fingerprint(base64.b64decode(same[0].blob))
        now_is = fingerprint(key.asbytes())
        return f"the host key has changed: known_hosts has {was}, the host offers {now_is} ({same[0].place})"
    if authorities:
        return f"{filed} offers the key {offered} without a certificate; {authorities[0].place} asks for one"
    return f"host key {offered} of {filed} is unknown; connect once with ssh to check it"


def reason(error: Exception) -> str:
    """One line a person can act on."""
    from paramiko.ssh_exception import AuthenticationException, NoValidConnectionsError, PasswordRequiredException

    if isinstance(error, NoValidConnectionsError):
        return "; ".join(sorted({str(getattr(one, "strerror", "") or one).lower() for one in error.errors.values()}))
    if isinstance(error, PasswordRequiredException):
        return "authentication failed: the key file has a passphrase and no agent holds it (ssh-add)"
    if isinstance(error, AuthenticationException):
        return f"authentication failed: {error}"
    if isinstance(error, TimeoutError):
        return "timed out"
    return " ".join(str(error).split()) or type(error).__name__
