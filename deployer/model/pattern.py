"""Ansible host patterns: `web:&production:!web07`, commas, globs, `~regex`, `group[0]`, `group[0:2]`. Pure."""

from __future__ import annotations

import difflib
import fnmatch
import re
import warnings

from deployer.model.errors import UsageError
from deployer.model.fleet import Fleet

NESTED = re.compile(r"[+*}]\??\)[+*{]")  # (a+)+ and its like take for ever on a name that does not match


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
    """At commas, and at colons that are not part of an index, a regex or an IPv6 address."""
    if "," in pattern or pattern.startswith("~"):
        return [part for piece in pattern.split(",") for part in ([piece] if "~" in piece else _split(piece))]
    return re.split(r":(?![^\[]*\])", pattern)


def _term(fleet: Fleet, term: str) -> tuple[str, ...]:
    index = re.fullmatch(r"([^~].*)\[(-?\d*)(?:(:)(-?\d*))?\]", term)
    index = index if index and (index[1] in fleet.groups or index[1] in fleet.hosts) else None
    if index:
        names = _term(fleet, index[1])
        start = int(index[2]) if index[2] else 0
        if index[3] is None:
            return names[start : start + 1 or None]
        return names[start : int(index[4]) + 1 if index[4] else None]
    if term in fleet.groups:
        return fleet.groups[term]
    if term in fleet.hosts:
        return (term,)
    found = tuple(dict.fromkeys(_matching(fleet, term)))
    if not found:
        near = difflib.get_close_matches(term, [*fleet.groups, *fleet.hosts], 1)
        hint = f"did you mean {near[0]}?" if near else f"groups: {', '.join(fleet.groups)}"
        raise UsageError(f"no host or group is called {term!r}", hint=hint)
    return found


def _matching(fleet: Fleet, term: str) -> list[str]:
    if term.startswith("~"):
        if NESTED.search(term):
            raise UsageError(f"{term!r} repeats a repetition, which may never end", hint="write it without (...+)+")
        try:
            with warnings.catch_warnings(action="ignore", category=FutureWarning):  # odd, but it compiles
                rule = re.compile(term[1:])
        except re.error as error:
            raise UsageError(f"{term!r} is not a regular expression: {error}") from None
        match = rule.match
    elif any(c in term for c in "*?["):
        rule = re.compile(fnmatch.translate(term))
        match = rule.match
    else:
        return []
    groups = [host for name, hosts in fleet.groups.items() if name != "all" and match(name) for host in hosts]
    return groups + [name for name in fleet.hosts if match(name)]
