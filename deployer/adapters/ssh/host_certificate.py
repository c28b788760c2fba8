"""OpenSSH host certificates: does an authority of known_hosts vouch for this key, for this name, now?

paramiko proves in the key exchange that the server has the private key of the certificate it sends; whether the
certificate itself is to be believed is decided here (OpenSSH, PROTOCOL.certkeys; `sshkey_cert_check_host`).
"""

from __future__ import annotations

import base64
from collections.abc import Collection, Set


def objection(blob: bytes, authorities: Set[str], principal: str, now: float, algorithms: Collection[str] = ()) -> str:
    """Why the certificate `blob` is not believed; "" when it is. authorities: public keys (base64). algorithms: of
    their signatures, as CASignatureAlgorithms has them; () for all but SHA-1. Stricter than ssh in one point: a
    certificate that names no host at all is good for none."""
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, SSHCertificate, SSHCertificateType
    from cryptography.hazmat.primitives.serialization.ssh import load_ssh_public_identity

    kind = blob[4 : 4 + int.from_bytes(blob[:4], "big")]
    try:
        found = load_ssh_public_identity(kind + b" " + base64.b64encode(blob))
        if not isinstance(found, SSHCertificate):
            return "it is no certificate"
        signer = found.signature_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).split()[1].decode()
        if signer not in authorities:
            return "it is signed by another authority than known_hosts lists"
        found.verify_cert_signature()
    except InvalidSignature:
        return "its signature is wrong"
    except (ValueError, UnsupportedAlgorithm, AssertionError) as error:
        return f"it cannot be read: {str(error) or type(error).__name__}"
    names = [name.decode("utf-8", "replace").lower() for name in found.valid_principals]
    made = _algorithm(blob, found.signature_key())
    reasons = {
        "it is a user's certificate": found.type is not SSHCertificateType.HOST,
        "its signature is made with SHA-1": made == "ssh-rsa",
        f"its signature is made with {made}, which CASignatureAlgorithms leaves out": bool(algorithms)
        and made not in algorithms,
        "it is not valid yet": now < found.valid_after,
        "it has expired": now >= found.valid_before,
        f"it is for {', '.join(names) or 'no host by name'}, not for {principal}": principal.lower() not in names,
        f"it has a critical option {b', '.join(found.critical_options)!r}": bool(found.critical_options),
    }
    return next((why for why, holds in reasons.items() if holds), "")


def _algorithm(blob: bytes, authority: object) -> str:
    """A certificate ends with string(string(algorithm) string(signature)); only RSA has a choice of hash."""
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    if not isinstance(authority, RSAPublicKey):
        text: bytes = authority.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)  # type: ignore[attr-defined]
        return text.split()[0].decode()
    before = blob[: -authority.key_size // 8 - 4]
    return next((name for name in ("rsa-sha2-512", "rsa-sha2-256") if before.endswith(name.encode())), "ssh-rsa")
