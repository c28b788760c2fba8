"""What each host should run, from the ledger: hosts that missed a deploy are found by it. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from deployer.model.ledger import Command, Decision, Ended, Entry, Intent, ends

UNDONE = ("refused", "reverted", "interrupted")


def desired(chain: tuple[Entry, ...], playbook: str) -> dict[str, str]:
    """Host -> the release it should run; see `decided`."""
    return {host: release for host, (release, _) in decided(chain, playbook).items()}


def decided(chain: tuple[Entry, ...], playbook: str) -> dict[str, tuple[str, Command]]:
    """Host -> the release that the newest decision about it said, and its command. A deploy counts from its DECISION on
    (an INTENT is a wish), a rollback and an adoption from their OUTCOME; with `--limit` the other hosts keep what was
    said before. A decision whose own deploy was undone all the same (its reply was lost, it was aborted) says nothing
    of the hosts that went back.

    A rollback to what was adopted names one host's release; `0000000000-` stands for each host's own."""
    wishes: dict[str, Mapping[str, str]] = {}
    said: dict[str, tuple[str, Command]] = {}
    ours = [entry for entry in chain if entry.playbook == playbook]
    undone = {entry.deploy: entry.hosts for entry in ends(chain, playbook) if entry.result in UNDONE}
    for entry in ours:
        if isinstance(entry, Intent):
            wishes[entry.deploy] = entry.hosts
        elif isinstance(entry, Decision) and entry.result == "commit":
            wish, back = wishes.get(entry.deploy, {}), undone.get(entry.deploy)
            stay = {host: release for host, release in wish.items() if back is None or back.get(host) == release}
            said |= {host: (release, entry.command) for host, release in stay.items()}
        elif isinstance(entry, Ended):
            said |= {host: (release, entry.command) for host, release in outcome_says(entry).items()}
            if entry.result == "unadopted":  # nobody's any more
                said = {host: words for host, words in said.items() if host not in entry.hosts}
    return said


def outcome_says(entry: Ended) -> dict[str, str]:
    """A push said it all in its decision, unless a person confirmed it by hand."""
    if entry.command == "rollback" and entry.result in ("deployed", "stranded") and entry.release:
        return dict.fromkeys(entry.hosts, entry.release)
    if entry.result == "deployed":
        return {host: release for host, release in entry.hosts.items() if release}
    return {}
