"""Strict host keys for paramiko: a client that knows exactly the keys known_hosts gives one hop, and no other."""

from __future__ import annotations

import base64
import binascii
import socket
from typing import TYPE_CHECKING

from deployer.adapters.known_hosts import Line, fingerprint, lookup_name, matches
from deployer.adapters.ssh_config import Target

if TYPE_CHECKING:
    import paramiko


def strict_client(hop: Target, known: tuple[Line, ...]) -> paramiko.SSHClient:
    """A client for `hop` whose policy never adds a key."""
    import paramiko

    filed = hop.known_as or lookup_name(hop.hostname, hop.port)
    lines = [line for line in known if matches(line, filed)]
    client = paramiko.SSHClient()
    client.set_missing_host_key_policy(refusal(filed, lines))
    name = lookup_name(hop.hostname, hop.port)
    revoked = {line.blob for line in lines if line.marker == "@revoked"}
    for line in lines:
        if not line.marker and line.blob not in revoked:
            try:
                key = paramiko.PKey.from_type_string(line.kind, base64.b64decode(line.blob))
            except (paramiko.SSHException, ValueError, binascii.Error):
                continue
            client.get_host_keys().add(name, line.kind, key)
    return client


def refusal(filed: str, lines: list[Line]) -> paramiko.MissingHostKeyPolicy:
    """A policy that says what is known, what was offered and what to do."""
    import paramiko

    class Refuse(paramiko.MissingHostKeyPolicy):
        """Never adds a key. Says what is known, what was offered and what to do."""

        def missing_host_key(self, client: object, hostname: str, key: paramiko.PKey) -> None:
            offered = f"{key.get_name()} {fingerprint(key.asbytes())}"
            for line in lines:
                if line.marker == "@revoked" and line.blob == key.get_base64():
                    raise paramiko.SSHException(f"host key {offered} is revoked ({line.place})")
            if any(line.marker == "@cert-authority" for line in lines):
                raise paramiko.SSHException(
                    f"host key {offered} is not listed; certificates of {lines[0].place} are not supported yet"
                )
            raise paramiko.SSHException(f"host key {offered} of {filed} is unknown; connect once with ssh to check it")

    return Refuse()


def reason(error: Exception) -> str:
    """One line a person can act on."""
    from paramiko.ssh_exception import AuthenticationException, BadHostKeyException

    if isinstance(error, BadHostKeyException):
        known, offered = fingerprint(error.expected_key.asbytes()), fingerprint(error.key.asbytes())
        return f"the host key has changed: known_hosts has {known}, the host offers {offered}"
    if isinstance(error, AuthenticationException):
        return f"authentication failed: {error}"
    if isinstance(error, TimeoutError | socket.timeout):
        return "timed out"
    return " ".join(str(error).split()) or type(error).__name__
