"""What each host should run, from the ledger: hosts that missed a deploy are found by it. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from deployer.model.ledger import Entry

UNDONE = ("refused", "reverted", "interrupted")


def desired(chain: tuple[Entry, ...], playbook: str) -> dict[str, str]:
    """Host -> the release that the newest decision about it said. A deploy counts from its DECISION on (an INTENT is a
    wish), a rollback and an adoption from their OUTCOME; with `--limit` the other hosts keep what was said before. A
    decision whose own deploy was undone all the same (its reply was lost, it was aborted) says nothing.

    A rollback to what was adopted names one host's release; `0000000000-` stands for each host's own."""
    wishes: dict[str, Mapping[str, str]] = {}
    said: dict[str, str] = {}
    before: dict[str, dict[str, str]] = {}
    for entry in chain:
        if entry.playbook != playbook:
            continue
        if entry.record == "INTENT":
            wishes[entry.deploy] = entry.hosts
        elif entry.record == "DECISION" and entry.result == "commit":
            before[entry.deploy] = dict(said)
            said |= wishes.get(entry.deploy, {})
        elif entry.record == "OUTCOME" and entry.result in UNDONE and entry.deploy in before:
            wish = wishes.get(entry.deploy, {})
            said = {host: was for host, was in ((h, kept(h, said, wish, before[entry.deploy])) for h in said) if was}
        elif entry.record == "OUTCOME":
            said |= outcome_says(entry)
    return said


def kept(host: str, said: Mapping[str, str], wish: Mapping[str, str], before: Mapping[str, str]) -> str:
    """What stands for `host` when a wish is taken back; "" for nothing."""
    return before.get(host, "") if host in wish and said[host] == wish[host] else said[host]


def outcome_says(entry: Entry) -> dict[str, str]:
    """A push said it all in its decision, unless a person confirmed it by hand."""
    if entry.command == "rollback" and entry.result in ("deployed", "stranded") and entry.release:
        return dict.fromkeys(entry.hosts, entry.release)
    if entry.result == "deployed":
        return {host: release for host, release in entry.hosts.items() if release}
    return {}
