"""Ansible host patterns: `web:&production:!web07`, commas, globs, `~regex`, `group[0]`, `group[0:2]`. Pure."""

from __future__ import annotations

import difflib
import fnmatch
import re
import warnings
from collections.abc import Callable

from deployer.model.errors import UsageError
from deployer.model.fleet import Fleet

POSITION = re.compile(r"(.+)\[(?:(-?[0-9]{1,6})|(-?[0-9]{0,6})[:-](-?[0-9]{0,6}))\]")
SECONDS, LEAST = 2.0, 0.002  # of processor time: for all names together; for one of very many


def select(fleet: Fleet, pattern: str) -> tuple[str, ...]:
    """The hosts `pattern` names, in inventory order. Unions first, then `&`, then `!`, as Ansible does. Raises
    UsageError for a name that is neither a group nor a host, and when nothing is left."""
    terms = [term.strip() for term in _split(pattern) if term.strip()]
    if not terms:
        raise UsageError("the host pattern is empty", hint="write a group or host, such as edge or web*")
    wanted = [t for t in terms if t[0] not in "&!"] or ["all"]
    chosen = {name for term in wanted for name in _term(fleet, term)}
    for term in terms:
        if term[0] == "&":
            chosen &= set(_term(fleet, term[1:]))
    for term in terms:
        if term[0] == "!":
            chosen -= set(_term(fleet, term[1:]))
    if not chosen:
        raise UsageError(f"the host pattern {pattern!r} matches no host", hint=f"groups: {', '.join(fleet.groups)}")
    return tuple(name for name in fleet.hosts if name in chosen)


def _split(pattern: str) -> list[str]:
    """At commas; where there is none, at colons that are not part of an index, a regex or an IPv6 address."""
    if "," in pattern:
        return pattern.split(",")
    if pattern.startswith("~") or "::" in pattern:
        return [pattern]
    return re.split(r":(?![^\[]*\])", pattern)


def _term(fleet: Fleet, term: str) -> tuple[str, ...]:
    if term in fleet.groups:
        return fleet.groups[term]
    if term in fleet.hosts:
        return (term,)
    position = POSITION.fullmatch(term) if term[:1] != "~" else None
    if position:
        return _at(fleet, term, position)
    found = tuple(dict.fromkeys(_matching(fleet, term)))
    if not found:
        raise _unknown(fleet, term)
    return found


def _unknown(fleet: Fleet, term: str) -> UsageError:
    near = difflib.get_close_matches(term, [*fleet.groups, *fleet.hosts], 1)
    hint = f"did you mean {near[0]}?" if near else f"groups: {', '.join(fleet.groups)}"
    return UsageError(f"no host or group is called {term!r}", hint=hint)


def _at(fleet: Fleet, term: str, position: re.Match[str]) -> tuple[str, ...]:
    """`group[0]`, `group[-1]`, `group[1:2]`, `group[1:]`: what Ansible knows, and nothing that it takes otherwise."""
    name, one, first, last = position.groups()
    if name not in fleet.groups and name not in fleet.hosts:
        raise _unknown(fleet, term)
    names = fleet.groups.get(name, (name,))
    if one is not None:
        at = int(one)
        found = names[at:][:1] if -len(names) <= at < len(names) else ()
    elif first is None or not first.isdecimal() or (last and not last.isdecimal()):
        raise UsageError(
            f"{term!r} is no range of hosts", hint="write [0:2], [1:] or [-1]; both ends are counted from 0"
        )
    else:
        found = names[int(first) : int(last) + 1 if last else None]
    if not found:
        raise UsageError(f"{name} has no host at {term.removeprefix(name)}", hint=f"it has {len(names)}, from [0] on")
    return found


def _matching(fleet: Fleet, term: str) -> list[str]:
    """The hosts of groups whose names match, and hosts whose names match."""
    match = _rule(term, len(fleet.groups) + len(fleet.hosts) + 1)
    if match is None:
        return []
    groups = [host for name, hosts in fleet.groups.items() if name != "all" and match(name) for host in hosts]
    found = groups + [name for name in fleet.hosts if match(name)]
    if match("all") and set(found) != set(fleet.hosts):
        raise UsageError(f"{term!r} is the group all, too, and so every host", hint="write more of the name")
    return found


def _rule(term: str, names: int) -> Callable[[str], object] | None:
    """How a name is matched; None where the term is a name itself. names: how many will be."""
    if term.startswith("~"):
        return _expression(term, max(LEAST, SECONDS / max(1, names)))
    return re.compile(fnmatch.translate(term)).match if any(c in term for c in "*?[") else None


def _expression(term: str, seconds: float) -> Callable[[str], object]:
    """`~regex`. A playbook's `hosts:` is input, and an expression can be made that takes years on one name: so each
    match has a limit, which Python's own `re` cannot have."""
    import regex

    try:
        with warnings.catch_warnings(action="ignore", category=FutureWarning):  # odd, but it compiles
            compiled = regex.compile(term[1:])
    except (regex.error, RecursionError, OverflowError, MemoryError) as error:
        raise UsageError(f"{term!r:.200} is not a regular expression: {error}") from None

    def match(name: str) -> object:
        try:
            return compiled.match(name, timeout=seconds)
        except TimeoutError:
            raise UsageError(
                f"{term!r:.200} takes too long to match {name:.80}",
                hint="write it so that a name can match in one way only",
            ) from None

    return match
