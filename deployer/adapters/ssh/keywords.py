"""Every keyword of ssh_config(5): honoured, without effect here, or refused, each with why.

A keyword is looked at when `ssh -G` gives it another value than it gives for an empty configuration. One that this
table does not have is refused: what it means is not known.
"""

from __future__ import annotations

from collections.abc import Mapping

BY_SSH = """Host Match Include IgnoreUnknown Tag CanonicalDomains CanonicalizeFallbackLocal CanonicalizeHostname
CanonicalizeMaxDots CanonicalizePermittedCNAMEs"""  # ssh -G itself applies them
BY_US = """AddressFamily BindAddress CASignatureAlgorithms CertificateFile Ciphers Compression ConnectTimeout
GlobalKnownHostsFile HostKeyAlgorithms HostKeyAlias Hostname IdentitiesOnly IdentityAgent IdentityFile KexAlgorithms
MACs Port ProxyCommand ProxyJump PubkeyAcceptedAlgorithms RequiredRSASize User UserKnownHostsFile"""

NO_EFFECT = {
    "host keys are always checked against known_hosts, and none is ever added": "StrictHostKeyChecking UpdateHostKeys "
    "VerifyHostKeyDNS NoHostAuthenticationForLocalhost HashKnownHosts FingerprintHash VisualHostKey",
    "one connection of its own for the whole deploy; the user's shared ones are left alone": "ControlMaster "
    "ControlPath ControlPersist",
    "no session for a person: no terminal, no forwarding, no command but our own": "ForwardAgent ForwardX11 "
    "ForwardX11Timeout ForwardX11Trusted XAuthLocation LocalForward RemoteForward DynamicForward PermitRemoteOpen "
    "ClearAllForwardings ExitOnForwardFailure GatewayPorts Tunnel TunnelDevice StreamLocalBindMask "
    "StreamLocalBindUnlink RequestTTY RemoteCommand SessionType StdinNull ForkAfterAuthentication EscapeChar "
    "EnableEscapeCommandline ObscureKeystrokeTiming ChannelTimeout PermitLocalCommand LocalCommand SendEnv SetEnv",
    "public keys and certificates only; nothing is asked for": "BatchMode NumberOfPasswordPrompts "
    "PasswordAuthentication KbdInteractiveAuthentication KbdInteractiveDevices ChallengeResponseAuthentication "
    "HostbasedAuthentication HostbasedAcceptedAlgorithms EnableSSHKeysign GSSAPIAuthentication GSSAPIClientIdentity "
    "GSSAPIDelegateCredentials GSSAPIKexAlgorithms GSSAPIKeyExchange GSSAPIRenewalForcesRekey GSSAPIServerIdentity "
    "GSSAPITrustDns AddKeysToAgent",
    "every command has a deadline, and a connection that is refused for want of a slot is tried again": "TCPKeepAlive "
    "ServerAliveInterval ServerAliveCountMax ConnectionAttempts RekeyLimit IPQoS",
    "what is wrong is said in our own words": "LogLevel LogVerbose SyslogFacility WarnWeakCrypto VersionAddendum",
}
REFUSED = {
    "BindInterface": "a connection cannot be bound to an interface here; BindAddress can",
    "CheckHostIP": "known_hosts is asked for the name alone",
    "KnownHostsCommand": "host keys are looked up in files; write them into a UserKnownHostsFile",
    "PKCS11Provider": "a token is used by way of an agent; ssh-add -s it",
    "ProxyUseFdpass": "a ProxyCommand must carry the connection itself",
    "RefuseConnection": "it says not to connect",
    "RevokedHostKeys": "lists of revoked keys are not read; write @revoked lines in known_hosts",
    "SecurityKeyProvider": "a security key is used by way of an agent; ssh-add it",
}
ONLY_WITH_KEYS = {  # refused where they leave public keys out
    "PreferredAuthentications": "public keys are the only way to log in here, and it leaves them out",
    "PubkeyAuthentication": "public keys are the only way to log in here",
}


def _table() -> dict[str, tuple[str, str, str]]:
    found = dict.fromkeys(BY_SSH.split(), ("honoured", "ssh itself applies it"))
    found |= dict.fromkeys(BY_US.split(), ("honoured", "as with ssh"))
    found |= {name: ("no effect here", why) for why, names in NO_EFFECT.items() for name in names.split()}
    found |= {name: ("refused", why) for name, why in REFUSED.items()}
    found |= {name: ("honoured", f"refused where {why}") for name, why in ONLY_WITH_KEYS.items()}
    return {name.lower(): (name, *rest) for name, rest in found.items()}


KEYWORDS = _table()  # lower case -> (as in ssh_config(5), honoured | no effect here | refused, why)


def changed(said: Mapping[str, str], default: Mapping[str, str]) -> dict[str, str]:
    """What `said` sets: its keywords that `default` has otherwise, or not at all."""
    return {keyword: value for keyword, value in said.items() if value != default.get(keyword, "none")}


def refusal(keywords: Mapping[str, str]) -> tuple[str, str] | None:
    """(keyword, why) of the first that cannot be honoured."""
    for keyword, value in keywords.items():
        name, what, why = KEYWORDS.get(keyword, (keyword, "refused", "it is not known to this version"))
        if what == "refused":
            return name, why
        if name in ONLY_WITH_KEYS and not _with_keys(name, value):
            return name, ONLY_WITH_KEYS[name]
    return None


def _with_keys(name: str, value: str) -> bool:
    if name == "PubkeyAuthentication":
        return value not in ("no", "false")
    return "publickey" in value.replace(" ", "").split(",")
