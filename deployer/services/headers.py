"""Did this answer come from a cache? What the headers of the servers and of RFC 9211 and RFC 9111 say."""

from __future__ import annotations

import re
from collections.abc import Mapping

# nginx's $upstream_cache_status, squid's and trafficserver's TCP_*, CDN words. REVALIDATED asked the origin: RFC 9211
# (section 2.1) calls a hit only what was answered without going forward.
HIT = frozenset({"HIT", "STALE", "UPDATING", "TCP_HIT", "TCP_MEM_HIT", "TCP_IMS_HIT", "HIT-STALE", "HIT-FRESH"})
MISS = frozenset(
    {"MISS", "BYPASS", "EXPIRED", "SCARCE", "REVALIDATED", "PASS", "HITPASS", "HITMISS", "SYNTH", "ERROR", "SKIPPED"}
)
QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')


def cache_hit(headers: Mapping[str, str]) -> bool | None:
    """Cache-Status (RFC 9211), X-Cache-Status, X-Cache, X-Varnish, Age (RFC 9111 section 5.1), in that order; the
    first that can tell decides, None when none can. Of a list the last member counts: the cache nearest to us."""
    lower = {name.lower(): value for name, value in headers.items()}
    readers = {
        "cache-status": _cache_status,
        "x-cache-status": _word,
        "x-cache": _word,
        "x-varnish": _x_varnish,
        "age": _age,
    }
    for name, read in readers.items():
        if name in lower and (answer := read(lower[name])) is not None:
            return answer
    return None


def _cache_status(value: str) -> bool | None:
    """`name; hit; ttl=9` or `name; fwd=miss; stored`; quoted strings may hold anything."""
    member = QUOTED.sub('""', value).split(",")[-1]
    parameters = {part.strip().lower() for part in member.split(";")[1:]}
    if parameters & {"hit", "hit=?1"}:
        return True
    return False if any(p.startswith("fwd=") or p in ("fwd", "hit=?0") for p in parameters) else None


def _word(value: str) -> bool | None:
    """`HIT`, `MISS, HIT`, `HIT from proxy:80`, `cp1 hit/3`; None for `-` and words of other trades."""
    for word in re.findall(r"[A-Z_-]+", value.rsplit(",", maxsplit=1)[-1].upper()):
        if word in HIT or word in MISS:
            return bool(word in HIT)
        if word.startswith("TCP_"):
            return bool(word.endswith("_HIT"))
    return None


def _x_varnish(value: str) -> bool | None:
    """A hit names two transactions: its own and the one that filled the object."""
    ids = value.rsplit(",", maxsplit=1)[-1].split()
    return len(ids) == 2 if ids and all(i.isdigit() for i in ids) else None


def _age(value: str) -> bool | None:
    """0 is a fresh fetch or a hit within the first second: it tells nothing."""
    text = value.strip()
    return True if text.isascii() and text.isdigit() and int(text) > 0 else None
