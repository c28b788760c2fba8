"""The awk program that turns log lines into counts: in every awk that is here, against a model of it in Python."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
from collections import Counter
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deployer.model.errors import DeployError, InputError
from deployer.sandbox import binaries
from deployer.services.base import AccessLog
from deployer.services.logline import program

HITS, MISSES, PASSES = frozenset(("HIT",)), frozenset(("MISS", "EXPIRED")), frozenset(("BYPASS",))
NGINX = AccessLog(
    "/x",
    ("", "$msec", " ", "status", " ", "cache", " ", "time", " ", "upstream", ' "', "$request", '" "', "agent", '"'),
    1000.0, HITS, MISSES, PASSES,
)  # fmt: skip
OTHER = AccessLog("/x", ("", "status", " ", "cache", " ", "time", " ", "$msec", ""), 1000.0, HITS, MISSES, PASSES)
JSONS = AccessLog("/x", ('{"ü\\":', "status", ',"c":"', "cache", '","t":', "time", "}"), 1.0, HITS, MISSES, PASSES)

LINES = b"""\
1.2 200 HIT 0.000 - "GET / HTTP/1.1" "visitor"
1.2 200 HIT 0.001 - "GET / HTTP/1.1" "deployer-probe"
1.2 200 MISS 0.123 0.120 "GET / HTTP/1.1" "visitor"
1.2 502 BYPASS 1.5 0.1, 0.3 : 0.2 "GET / HTTP/1.1" "visitor"
200 EXPIRED 0.123 1.2
garbage
{"\xc3\xbc\\":503,"c":"HIT/3","t":7.5}
1.2 000 - - - "" "-"
1.2 200 HIT 0.0"""
COUNTED = {
    "n": 6, "err": 3, "look": 4, "miss": 2, "orig": 5, "probe": 1, "bad": 1, "odd": 0, "word": "", "used": LINES.rindex(b"\n") + 1, "exit": 0,
    "lat": [[0, 1], [7.5, 1], [125, 2], [1500, 1]],
}  # fmt: skip


def awks() -> dict[str, list[str]]:
    """Every awk of this machine; busybox' is unpacked where it is missing."""
    found = {name: [path] for name in ("mawk", "gawk", "original-awk", "awk") if (path := shutil.which(name))}
    if "gawk" in found:
        found["gawk --posix"] = [*found["gawk"], "--posix"]
    with contextlib.suppress(DeployError):
        found["busybox"] = [binaries.find("busybox"), "awk"]
    return found


AWKS = awks()


def count(awk: list[str], logs: list[AccessLog], data: bytes, total: int, drop: int = 0, cap: int = 10**6) -> Any:
    """What the program says; latencies in order."""
    words = [*awk, "-v", f"total={total}", "-v", f"drop={drop}", "-v", f"cap={cap}", program(logs)]
    environ = {**os.environ, "LC_ALL": "C"}
    done = subprocess.run(words, input=data, capture_output=True, check=True, env=environ, timeout=60)
    assert not done.stderr
    found = json.loads(done.stdout)
    found["lat"].sort()
    return found


@pytest.mark.parametrize("name", AWKS)
def test_every_awk_counts_alike(name: str) -> None:
    """Three formats in one log; the last line has no end yet and is left for the next read."""
    assert count(AWKS[name], [NGINX, OTHER, JSONS], LINES, len(LINES)) == COUNTED


@pytest.mark.parametrize("name", AWKS)
def test_ends_and_beginnings(name: str) -> None:
    awk, line = AWKS[name], b'1 200 HIT 0.001 - "r" "v"\n'
    assert count(awk, [NGINX], b"", 0)["n"] == 0
    assert count(awk, [NGINX], line * 3, 3 * len(line), drop=1)["n"] == 2
    assert count(awk, [NGINX], line, len(line), drop=1) | {"lat": []} == count(awk, [NGINX], b"", 0) | {
        "used": len(line)
    }
    endless = count(awk, [NGINX], b"x" * 100, 100, cap=100)
    assert (endless["used"], endless["bad"]) == (100, 1), "a line longer than a read must not be read for ever"
    told = count(awk, [NGINX], line + b"\n\001exit 3\n", -1)
    assert (told["n"], told["bad"], told["exit"]) == (1, 0, 3)


@pytest.mark.parametrize("name", AWKS)
@pytest.mark.parametrize("seconds", ["9" * 400, "0", "00.0000001", ".5", "+2", "-1"])
def test_times_that_nobody_expects(name: str, seconds: str) -> None:
    """Counted as requests, whatever their time; it ends."""
    found = count(AWKS[name], [NGINX], f'1 200 HIT {seconds} - "r" "v"\n'.encode(), -1)
    assert (found["n"], found["bad"]) == (1, 0)
    assert sum(many for _, many in found["lat"]) == (0 if seconds == "-1" else 1)


WORDS = st.sampled_from(["HIT", "MISS", "EXPIRED", "BYPASS", "-", "", "HIT/200", "hit", 'a"b'])
REQUEST = st.tuples(
    st.sampled_from(["200", "304", "404", "499", "500", "503", "000", "-", "0", "", "-1"]),
    WORDS,
    st.sampled_from(["0.000", "0.004", "1.5", "-", "12", "100.25"]),
    st.sampled_from(["-", "", "0.001", "0.1, 0.2", "0.1 : 0.3"]),
    st.sampled_from(["visitor", "deployer-probe", "deployer-probe/1.0", "-", "Ünïcode", "$x`id`\\"]),
)


def expected(requests: list[tuple[str, str, str, str, str]]) -> Counter[str]:
    """The same by the words of AccessLog's docstring."""
    found: Counter[str] = Counter()
    for status, cache, time, upstream, agent in requests:
        if "deployer-probe" in agent:
            found["probe"] += 1
            continue
        found["n"] += 1
        found["err"] += not re.fullmatch("[1-4][0-9][0-9]", status)
        word = cache.split("/")[0]
        found["odd"] += word in ("hit", 'a"b')
        found["look"] += word in HITS | MISSES
        found["miss"] += word in MISSES
        found["orig"] += 0 if upstream in ("", "-") else len(re.split(", | : ", upstream))
        found["lat"] += time != "-"
    return found


@given(st.lists(REQUEST, min_size=1, max_size=30))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_against_a_model(requests: list[tuple[str, str, str, str, str]]) -> None:
    lines = [f'1.5 {s} {c} {t} {u} "GET / HTTP/1.1" "{a}"\n' for s, c, t, u, a in requests]
    found = count(AWKS["awk"], [NGINX], "".join(lines).encode(), -1)
    wanted = expected(requests)
    assert {key: found[key] for key in ("n", "err", "look", "miss", "orig", "probe")} == {
        key: wanted[key] for key in ("n", "err", "look", "miss", "orig", "probe")
    }
    assert sum(many for _, many in found["lat"]) == wanted["lat"]


@given(st.binary(max_size=400))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_bytes_are_counted_or_told_to_be_bad(data: bytes) -> None:
    """The host's own tr takes NUL away; every line is something."""
    data = data.replace(b"\0", b" ").replace(b"\001", b" ")
    found = count(AWKS["awk"], [NGINX, JSONS], data, len(data))
    whole = data[: data.rfind(b"\n") + 1]
    lines = [line for line in whole.split(b"\n") if line]
    assert found["used"] == len(whole)
    assert found["n"] + found["bad"] + found["probe"] == len(lines)


@given(st.floats(0.011, 9e8))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_latencies_are_off_by_at_most_three_percent(ms: float) -> None:
    log = AccessLog("/x", ("", "status", " ", "time", ""), 1.0)
    (found, many), = count(AWKS["awk"], [log], f"200 {ms:.6f}\n".encode(), -1)["lat"]  # fmt: skip
    assert many == 1
    assert abs(found - ms) <= 0.026 * ms


@pytest.mark.parametrize(
    ("pieces", "message"),
    [
        (("", "status", "", "time", ""), "touch each other"),
        (("", "time", ""), "no status"),
        (("", "status", " ", "status", ""), "status twice"),
    ],
)
def test_pieces_that_cannot_be_told_apart(pieces: tuple[str, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        program([AccessLog("/x", pieces, 1.0)])


@given(st.text(min_size=1, max_size=8).filter(lambda t: "\n" not in t and "\0" not in t))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_literal_is_only_a_literal(literal: str) -> None:
    """A log format is the user's text inside a program: nothing in it may become program."""
    log = AccessLog("/x", (literal, "status", literal + "|", "agent", ""), 1.0)
    line = f"{literal}200{literal}|visitor\n".encode("utf-8", "surrogatepass")
    assert count(AWKS["awk"], [log], line, -1)["n"] == 1
