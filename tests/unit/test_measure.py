"""One sample a tick from probes and traffic: who is believed, what is said, and that nothing waits for a slow host."""

from __future__ import annotations

import json
import math
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployer.adapters.measuring import meter as room
from deployer.adapters.measuring.blend import latencies
from deployer.adapters.measuring.figures import Figures, HereReader, number
from deployer.adapters.measuring.meter import Measure
from deployer.adapters.measuring.poll import Poll
from deployer.adapters.measuring.probes import HttpProbes
from deployer.adapters.measuring.prometheus import QueryReader, value
from deployer.adapters.measuring.traffic import CounterReader, LogReader, Traffic
from deployer.adapters.ssh.exchange import Completed
from deployer.model.errors import DeployError, HostError, InputError, Unreachable
from deployer.model.fleet import Host
from deployer.model.forecast import Forecast
from deployer.model.sample import HostSample, Sample
from deployer.model.schema.sources import Sources
from deployer.remote.layout import Layout
from deployer.remote.logs import Counts
from deployer.remote.verbs import Command
from deployer.services.base import AccessLog
from deployer.services.logline import AGENT
from deployer.wiring.measuring import Notices

WEB1, WEB2 = Host("web1"), Host("web2")
ALL = frozenset(("n", "err", "lat", "look", "miss", "orig"))
PROBED = HostSample(n=5, lat=(1.0,) * 5, rehit_n=2, rehit_bad=1, required_ok=frozenset(("home",)))
SEEN = Traffic(Counts(20, 1, 18, 2, 3, lat=((4.0, 20),)), ALL)
LAYOUT = Layout("", "/x", "/x", "/etc/nginx", "/agent")


@dataclass
class Scripted:
    """A reader whose answers are given, one after the other; the last one for ever. An error is raised."""

    answers: list[Traffic | HostError]
    follows: bool = True
    slow: bool = False
    asked: int = 0
    gate: threading.Event | None = None

    def read(self) -> Traffic:
        self.asked += 1
        if self.gate and not self.gate.wait(20):
            raise HostError("never let go")
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, HostError):
            raise answer
        return answer


class FakeProbes:
    """Gives the same for every host, at once; None: no host."""

    def __init__(self, given: HostSample | None = PROBED) -> None:
        self.given, self.starved = given, ""
        self.own: dict[str, Counts] = {}
        self.factor = 1.0

    def faster(self, factor: float) -> None:
        self.factor = factor

    def sample(self, hosts: Sequence[Host], t: float) -> Sample:
        found = {host.name: self.given for host in hosts} if self.given else {}
        return Sample(t, found, late=7.0, starved=self.starved)

    def settle(self, before: Sequence[Sample], deciding: Sequence[str]) -> Sequence[Sample]:
        return before

    def close(self) -> None: ...


@contextmanager
def measuring(
    readers: dict[str, Scripted],
    sources: Sources | None = None,
    probes: FakeProbes | None = None,
    ours: Sequence[str] = (),
    asked: str = "",
) -> Iterator[Measure]:
    """Ticks of a few milliseconds."""

    def figures(executor: ThreadPoolExecutor) -> Figures:
        return Figures(executor, sources or Sources(), [WEB1, WEB2], Wire([]))

    with Measure(cast(HttpProbes, probes or FakeProbes()), readers, figures, 1.0, ours, asked) as found:
        yield found


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tick begins, asks and ends at once; it still waits for its answers."""
    for name in ("TICK", "LEAD"):
        monkeypatch.setattr(room, name, 0.02)
    monkeypatch.setattr(room, "PATIENCE", 5.0)


def baseline(measure: Measure, ticks: int = 3) -> Sequence[Sample]:
    measure.baseline([WEB1, WEB2])
    for t in range(-ticks, 0):
        measure.sample(float(t))
    return measure.settle(["web1", "web2"])


def watch(measure: Measure, ticks: int = 1) -> list[Sample]:
    """The first ticks of a series."""
    measure.watch([WEB1, WEB2])
    return [measure.sample(float(t)) for t in range(ticks)]


def test_enough_traffic_is_judged() -> None:
    """Requests, errors and latency are real; re-fetches and required probes stay the probes'."""
    with measuring({"web1": Scripted([SEEN]), "web2": Scripted([SEEN])}) as measure:
        before = baseline(measure)
        assert measure.judged_by.startswith("judged by real traffic: at least ")
        assert measure.lost == ""
        assert before[-1].hosts["web1"] == watch(measure)[0].hosts["web1"]
        assert before[-1].hosts["web1"] == HostSample(
            n=20, err=1, lat=(4.0,) * 20, rehit_n=2, rehit_bad=1, look=18, miss=2, orig=3, orig_s=20.0,
            required_ok=frozenset(("home",)),
        )  # fmt: skip


RAISED = Forecast(5.0, 20.0, {"error_rate": 31.0}, {"error_rate": 8.0})


def test_probes_are_asked_more_often_until_there_are_visitors() -> None:
    """From the first tick of the baseline on, so that one measurement is like the other; it is said."""
    for reader, factor, said in (([SEEN], 1.0, "judged by real traffic"), ([Traffic(Counts(0, lat=()), ALL)], 4.0, "")):
        probes = FakeProbes()
        with measuring({"web1": Scripted([SEEN]), "web2": Scripted(list(reader))}, probes=probes) as measure:
            measure.expect(RAISED)
            assert probes.factor == 4.0
            baseline(measure)
            assert probes.factor == factor
            assert measure.judged_by.startswith(said)
            assert measure.judged_by.endswith("; asked 20 times a second on each host, not 5 (max_rate)") == (not said)


def test_what_the_probes_cannot_prove_is_refused_where_they_are_all_there_is() -> None:
    """Before any change; with visitors it is no matter."""
    never = Forecast(0.1, 0.1, {"error_rate": math.inf}, {"error_rate": math.inf})
    with measuring({"web1": Scripted([SEEN]), "web2": Scripted([SEEN])}) as measure:
        measure.expect(never)
        baseline(measure)
    with measuring({}) as measure:
        measure.expect(never)
        with pytest.raises(DeployError, match="error_rate cannot be proven in its bake"):
            baseline(measure)


def test_too_little_traffic_on_one_host_and_the_probes_are_judged() -> None:
    """Decided for all hosts alike, and nothing of the visitors is left: health would wait for a proof of their
    look-ups that never comes."""
    little = Traffic(Counts(0, lat=()), ALL)
    with measuring({"web1": Scripted([SEEN]), "web2": Scripted([little])}) as measure:
        before = baseline(measure)
        assert measure.judged_by == "judged by the probes: 0.0 requests/s on web2: fewer than min_traffic 1/s"
        assert measure.lost == measure.judged_by
        one = before[-1].hosts["web1"]
        assert one is not None
        assert (one.n, one.lat, one.look, one.orig) == (5, PROBED.lat, None, None)
        assert watch(measure)[0].hosts["web1"] == one


def test_counters_that_do_not_know_failures_stand_beside_the_probes() -> None:
    """What only the server knows is taken from it."""
    counted = Traffic(Counts(20, look=18, miss=2, orig=3, lat=()), frozenset(("n", "look", "miss", "orig")))
    with measuring({"web1": Scripted([counted]), "web2": Scripted([counted])}) as measure:
        before = baseline(measure)
        assert measure.judged_by.startswith("judged by the probes: ")
        assert measure.judged_by.endswith("the servers do not count which ones failed")
        one = before[-1].hosts["web1"]
        assert one is not None
        assert (one.n, one.lat, one.look, one.orig, one.orig_s) == (5, PROBED.lat, 18, 3, 20.0)


def test_our_own_probes_are_no_visitors() -> None:
    """Where a source counts them, what they added is taken off before anything is judged, also when they are counted
    a tick late; their misses are no visitors' misses."""
    probes = FakeProbes()
    probes.own = {"web1": Counts(n=20, look=18, miss=1, orig=1), "web2": Counts(n=7)}
    both = {"web1": Scripted([SEEN]), "web2": Scripted([SEEN])}
    with measuring(both, ours=["web1"], probes=probes) as measure:
        baseline(measure)
        assert measure.judged_by == "judged by the probes: 0.0 requests/s on web1: fewer than min_traffic 1/s"
    probes.own = {"web1": Counts(n=5, look=5, miss=1, orig=1)}
    late = Scripted([SEEN])
    with measuring({"web1": late, "web2": Scripted([SEEN])}, ours=["web1"], probes=probes) as measure:
        baseline(measure, 2)
        late.answers = [SEEN, SEEN, Traffic(Counts(2, look=2, lat=()), ALL), SEEN]  # the first one finds the place
        ticks = [sample.hosts["web1"] for sample in watch(measure, 3)]
        found = [(one.n, one.look, one.miss, one.orig) for one in ticks if one]
    assert found == [(15, 13, 1, 2), (0, 0, 0, 0), (12, 10, 0, 1)]


def test_a_required_probe_that_could_not_be_sent_did_not_succeed() -> None:
    """Real traffic does not stand in for it."""
    with measuring({"web1": Scripted([SEEN]), "web2": Scripted([SEEN])}, probes=FakeProbes(None)) as measure:
        one = baseline(measure)[-1].hosts["web1"]
        assert one is not None
        assert (one.n, one.required_ok) == (20, frozenset())


def test_no_source_and_no_answer_are_said() -> None:
    with measuring({}) as measure:
        assert baseline(measure)[-1].hosts["web1"] == PROBED
        assert measure.judged_by == "judged by the probes: no source of real traffic"
        assert measure.lost == ""
    broken = Scripted([HostError("access log /x: unreadable")])
    with measuring({"web1": Scripted([SEEN]), "web2": broken}) as measure:
        baseline(measure)
        assert measure.judged_by == "judged by the probes: 0.0 requests/s on web2: access log /x: unreadable"


def test_a_source_that_was_asked_for_and_is_not_there_is_refused() -> None:
    """By name, before anything changes; also one that broke during the baseline. Little traffic is another thing."""
    broken = Scripted([HostError("access log /x: missing")])
    with measuring({"web1": Scripted([SEEN]), "web2": broken}, asked="access_log") as measure:
        with pytest.raises(DeployError, match="cannot read `traffic: access_log` on web2: access log /x: missing") as e:
            baseline(measure)
        assert "traffic: auto" in e.value.hint
    breaks = Scripted([SEEN])
    with measuring({"web1": Scripted([SEEN]), "web2": breaks}, asked="counters") as measure:
        measure.baseline([WEB1, WEB2])
        for t in range(-9, -5):
            measure.sample(float(t))
        breaks.answers = [HostError("gone")]
        for t in range(-5, 0):
            measure.sample(float(t))
        with pytest.raises(DeployError, match="cannot read `traffic: counters` on web2: gone"):
            measure.settle(["web1", "web2"])
    for quiet in (Traffic(Counts(0, lat=()), ALL), Traffic(Counts(1, lat=()), ALL)):
        with measuring({"web1": Scripted([SEEN]), "web2": Scripted([quiet])}, asked="access_log") as measure:
            baseline(measure, 7)
            assert measure.judged_by.startswith("judged by ")
    with measuring({"web1": Scripted([SEEN]), "web2": broken}, asked="access_log") as measure:
        measure.baseline([WEB1, WEB2])
        for t in range(-3, 0):
            measure.sample(float(t))
        assert measure.settle(["web1"])  # web2 is not part of the push


def test_a_source_that_breaks_is_no_data_with_its_name() -> None:
    """Never a pass, never the probes instead."""
    reader = Scripted([SEEN])
    with measuring({"web1": Scripted([SEEN]), "web2": reader}) as measure:
        baseline(measure)
        reader.answers = [HostError("access log /x: missing")]
        watch(measure)  # what came in before it broke
        sample = measure.sample(1.0)
        assert sample.hosts["web2"] is None
        assert sample.reasons["web2"] == "access log /x: missing"
        assert sample.hosts["web1"] is not None
        assert sample.hosts["web1"].n == 20
        reader.answers = [SEEN]
        measure.sample(2.0)
        assert measure.sample(3.0).hosts["web2"] is not None


def test_a_machine_too_busy_to_listen_does_not_call_a_host_silent() -> None:
    """What hosts counted themselves stays valid; what did not arrive is nobody's fault; a log's latency is not late."""
    probes, reader = FakeProbes(), Scripted([SEEN])
    with measuring({"web1": Scripted([SEEN]), "web2": reader}, probes=probes) as measure:
        baseline(measure)
        probes.given, probes.starved = HostSample(rehit_n=0, rehit_bad=0), "busy"
        reader.answers = [HostError("no answer for 9 s")]
        watch(measure)
        sample = measure.sample(1.0)
    one, two = sample.hosts["web1"], sample.hosts["web2"]
    assert one is not None
    assert two is not None
    assert (one.n, two.n, dict(sample.reasons)) == (20, 0, {})
    assert (sample.late, sample.starved) == (0.0, "busy")


def test_a_host_that_falls_silent_is_named() -> None:
    reader = Scripted([SEEN])
    with measuring({"web1": Scripted([SEEN]), "web2": reader}) as measure:
        baseline(measure)
        reader.answers = [Traffic(Counts(), ALL)]
        samples = watch(measure, 8)
        early, late = samples[2].hosts["web2"], samples[-1]
        assert early is not None
        assert early.n == 0
        assert late.hosts["web2"] is None
        assert late.reasons["web2"].startswith("no request for ")


def test_counters_alone_leave_latency_to_the_probes() -> None:
    """What a server cannot tell is not made up."""
    counted = Traffic(Counts(n=30, look=20, miss=4, orig=5), frozenset(("n", "look", "miss", "orig")))
    with measuring({"web1": Scripted([counted]), "web2": Scripted([counted])}) as measure:
        one = baseline(measure)[-1].hosts["web1"]
        assert one is not None
        assert (one.n, one.err, one.lat, one.miss, one.orig_s) == (5, 0, PROBED.lat, 4, 30.0)


def test_a_slow_host_delays_nobody_twice_and_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is waited for once; then the others go on without it, and its late answer is taken in a later tick."""
    monkeypatch.setattr(room, "PATIENCE", 0.2)
    slow, quick = Scripted([SEEN]), Scripted([SEEN])
    with measuring({"web1": quick, "web2": slow}) as measure:
        baseline(measure)
        slow.gate = threading.Event()
        watch(measure)
        samples = [measure.sample(float(t)) for t in range(1, 6)]
        assert all(s.hosts["web1"] is not None and s.hosts["web1"].n for s in samples)
        waiting = [s.hosts["web2"] for s in samples]
        assert all(one is not None and one.n == 0 for one in waiting), "late is no data, and no reason yet"
        slow.gate.set()
        slow.gate = None
        after = [measure.sample(float(t)).hosts["web2"] for t in range(6, 30)]
        assert any(one is not None and one.n >= 20 for one in after)


def test_a_new_watch_forgets_what_lies_between() -> None:
    """The first answer of a log only finds the place: what was logged during the activation is not judged."""
    big = Traffic(Counts(n=1000, lat=((1.0, 1000),)), ALL)
    readers = {name: Scripted([SEEN]) for name in ("web1", "web2")}
    with measuring(readers) as measure:
        baseline(measure)
        for reader in readers.values():
            reader.answers = [big, SEEN]
        seen = [sample.hosts["web1"] for sample in watch(measure, 4)]
        assert all(one is not None and one.n < 1000 for one in seen)


def test_figures_count_per_client_request_or_per_second() -> None:
    sources = Sources.model_validate(
        {"exec": {"five": {"command": "echo 5", "on": "deployer"}, "none": {"command": "exit 3", "on": "deployer"}}}
    )
    for readers in ({"web1": Scripted([SEEN]), "web2": Scripted([SEEN])}, {}):
        with measuring(readers, sources) as measure:
            sample, t, began = baseline(measure)[-1], 0.0, time.monotonic()
            measure.watch([WEB1, WEB2])
            while "five" not in sample.fleet:
                assert time.monotonic() - began < 60
                sample = measure.sample(t)
                t += 1
            count, exposure = sample.fleet["five"]
            assert exposure == (40.0 if readers else pytest.approx(count / 5))
            assert "none" not in sample.fleet
            while sample.reasons.get("none") in (None, "no answer yet"):
                assert time.monotonic() - began < 60
                sample = measure.sample(t)
                t += 1
            assert sample.reasons["none"] == "the command ended with exit 3"


class Fives:
    """A figure that is always there, and 5."""

    def ask(self) -> None: ...

    def take(self) -> tuple[dict[str, float], dict[str, str]]:
        return {"five": 5.0}, {}


def test_the_first_tick_of_a_series_has_no_figure_per_request() -> None:
    """It has only the requests that were written since the logs were found, and all of its seconds: a log that is written
    every two seconds made a tenfold figure of it, and the noise that was learned from it outlived any proof."""
    readers = {name: Scripted([SEEN]) for name in ("web1", "web2")}
    with Measure(cast(HttpProbes, FakeProbes()), readers, lambda executor: cast(Figures, Fives())) as measure:
        for series in (baseline(measure), watch(measure, 3)):
            assert [list(sample.fleet) for sample in series] == [[], ["five"], ["five"]]


def test_probes_that_measure_nothing_name_every_host() -> None:
    """Every host is in the sample, without data."""
    with measuring({}, probes=FakeProbes(None)) as measure:
        assert watch(measure)[0].hosts == {"web1": None, "web2": None}


@given(st.lists(st.tuples(st.floats(0, 1e6), st.integers(0, 5000)), max_size=20))
def test_latencies_keep_their_quantiles(histogram: list[tuple[float, int]]) -> None:
    found, total = latencies(histogram, 200), sum(many for _, many in histogram)
    assert len(found) == min(200, total) or (len(found) in (199, 200) and total > 200)
    assert list(found) == sorted(found)
    for ms, _ in histogram:
        below = sum(many for other, many in histogram if other <= ms)
        if total:
            assert abs(sum(one <= ms for one in found) / max(1, len(found)) - below / total) <= 1.01 / 100


class TestPoll:
    """What a place said late, or wrongly."""

    def test_our_own_bug_is_that_places_result(self) -> None:
        class Broken:
            follows = slow = False

            def read(self) -> int:
                raise ZeroDivisionError("oops")

        with ThreadPoolExecutor(2) as executor:
            poll: Poll[int] = Poll(executor, {"a": Broken()}, lambda old, new: old + new)
            poll.ask(["a", "unknown"])
            assert poll.take(["a", "unknown"], 5.0) == {"a": (None, "internal error: ZeroDivisionError: oops")}

    def test_after_the_end_nothing_is_asked(self) -> None:
        executor = ThreadPoolExecutor(1)
        reader = Scripted([SEEN])
        poll: Poll[Traffic] = Poll(executor, {"a": reader}, lambda old, new: old + new)
        executor.shutdown()
        poll.ask(["a"])
        assert poll.take(["a"], 0.0) == {"a": (None, "")}
        assert reader.asked == 0


@dataclass
class Wire:
    """A transport: answers to come, and what was asked."""

    answers: list[bytes | HostError]
    asked: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)

    def run(self, host: Host, command: Command, fresh: bool = False) -> Completed:
        self.asked.append(command.line)
        answer = self.answers.pop(0)
        if isinstance(answer, HostError):
            raise answer
        return Completed(0, answer, b"")

    def talk(self, host: Host, command: Command) -> Wire:
        """The command is kept: every answer is to one line."""
        self.kept.append(command.line)
        return self

    def ask(self, line: bytes, answers: int, deadline: float) -> bytes:
        return self.run(WEB1, Command(self.kept[-1])).stdout

    def close(self) -> None:
        self.kept.append("")


OLD = AccessLog("/old.log", ("", "status", " ", "cache", " ", "time", ""), 1000.0)
NEW = AccessLog("/old.log", ("", "time", " ", "status", " ", "cache", ""), 1000.0)
TAR = b"\ndeployer-release:\n" + b"\0" * 10240  # an empty one


def answer(release: str, n: int = 1, state: str = "ok", word: str = "", **counts: int) -> bytes:
    names = dict.fromkeys(("n", "err", "look", "miss", "orig", "probe", "bad", "odd", "used", "exit"), 0)
    log = {**names, "n": n, **counts, "word": word, "lat": []}
    body = {"release": release, "state": state, "inode": 7, "start": 0, "skipped": 0, "rotated": False, "log": log}
    return json.dumps(body).encode() + b"\n"


def reader(wire: Wire, new: AccessLog, old: Callable[[Any], AccessLog | None]) -> LogReader:
    return LogReader(wire, WEB1, LAYOUT, new, "new", old)


def test_a_changed_log_format_is_no_lost_traffic() -> None:
    """Both formats are tried on every line, that of the release the host has first."""
    wire = Wire([TAR, answer("old"), answer("new"), answer("new")])
    found = reader(wire, NEW, lambda files: OLD)
    assert [found.read().counts.n for _ in range(3)] == [1, 1, 1]
    reads = [line for line in wire.asked if "follow" in line]
    assert all("split_1" in line and "split_2" in line for line in reads)

    def first_fields(line: str) -> str:
        return line.split("function split_1")[1].split("function split_2", maxsplit=1)[0]

    assert first_fields(reads[1]).index("status = ") < first_fields(reads[1]).index("time = ")
    assert first_fields(reads[2]).index("time = ") < first_fields(reads[2]).index("status = ")


def test_a_changed_log_file_is_no_lost_traffic() -> None:
    """Both are followed; the one of the release that the host has must be there."""
    missing = answer("old", state="missing")
    wire = Wire([TAR, answer("old") + missing, answer("new", n=0) + answer("new")])
    found = reader(wire, replace(NEW, path="/new.log"), lambda files: OLD)
    assert found.read().counts.n == 1
    assert found.read().counts.n == 1
    wire.answers.append(missing.replace(b"old", b"new") + answer("new"))
    with pytest.raises(HostError, match=r"access log /new\.log: missing"):
        found.read()


def test_what_of_a_log_is_lost_is_said_once() -> None:
    """A few strange lines, a rotation, a burst: counted without, and said; mostly strange: no data."""
    lossy = answer("new", n=9, bad=3).replace(b'"skipped": 0', b'"skipped": 77').replace(b"false", b"true")
    said: list[str] = []
    found = reader(Wire([TAR, lossy, lossy, answer("new", n=2, bad=3)]), NEW, lambda files: None)
    found.notice = said.append
    assert [found.read().counts.n for _ in range(2)] == [9, 9]
    assert [text.partition(": access log /old.log: ")[2][:20] for text in said] == [
        "77 bytes were skippe",
        "it was rotated; what",
        "3 of 12 lines are in",
    ]
    with pytest.raises(HostError, match="3 of 5 lines of the access log"):
        found.read()


def test_p16_lost_evidence_is_told_again_at_the_end() -> None:
    """Real traffic that was there and not used is no line in the middle; where none was asked for nothing is lost."""
    heard: list[str] = []
    notices = Notices()
    notices("a log was rotated")
    notices.tell(heard.append)
    notices("a log was rotated")
    few = "judged by the probes: 0.0 requests/s on web1: cannot be read"
    assert notices.again(few, {}) == ("a log was rotated", few)
    assert notices.again("", {}) == ("a log was rotated",)
    assert Notices().again("", {}) == ()


def test_p19_words_that_nobody_knows_are_said_above_five_percent() -> None:
    """Neither hit nor miss: what is judged of the cache is about the others only."""
    said: list[str] = []
    few, many = answer("new", n=100, odd=5, word="CLOUDY"), answer("new", n=100, odd=30, word="CLOUDY")
    found = reader(Wire([TAR, few, many, many]), NEW, lambda files: None)
    found.notice = said.append
    found.read()
    assert not said
    assert [found.read().counts.odd, found.read().counts.odd] == [30, 30]
    assert said == [
        "web1: access log /old.log: 35 of 200 requests are neither hits nor misses that are known (the log says 'CLOUDY')"
    ]


def test_an_old_log_that_says_too_little_leaves_the_new_one() -> None:
    """The push that brings the format in."""

    def refuse(files: object) -> AccessLog | None:
        raise InputError("too little")

    wire = Wire([TAR, answer("old", n=0, bad=5), answer("new")])
    found = reader(wire, NEW, refuse)
    with pytest.raises(HostError, match=r"5 lines of the access log /old\.log are in no known format"):
        found.read()
    assert found.read().counts.n == 1


def test_a_host_without_an_answer_is_asked_again() -> None:
    wire = Wire([Unreachable("no answer within 8 s"), TAR, answer("old"), b"Welcome!\n"])
    found = reader(wire, NEW, lambda files: None)
    with pytest.raises(HostError, match="no answer"):
        found.read()
    assert found.read().counts.n == 1
    with pytest.raises(HostError, match="was not read"):
        found.read()


def test_counters_over_the_wire() -> None:
    """The first answer is where to begin; a restart is one named tick."""
    wire = Wire([b"n 100\nmiss 5\n", b"n 130\nmiss 6\n", b"n 3\nmiss 0\n", b"n 9\nmiss 1\n"])
    counters = CounterReader(wire, WEB1, LAYOUT)
    counters.read()
    found = counters.read()
    assert (found.counts.n, found.counts.miss, found.knows) == (30, 1, frozenset(("n", "miss")))
    with pytest.raises(HostError, match="began again"):
        counters.read()
    assert counters.read().counts.n == 6


def test_our_own_agent_is_one_word() -> None:
    """What the probes send is what the program leaves out."""
    from deployer.adapters.http.request import HEADERS

    assert HEADERS["User-Agent"] == AGENT


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "no answer to the query"),
        (b"<html>", "no answer to the query"),
        (b'{"status":"error","error":"parse error"}', "parse error"),
        (b'{"status":"success","data":{"resultType":"vector","result":[]}}', "gives no data"),
        (b'{"status":"success","data":{"resultType":"vector","result":[{"value":[1,"1"]},{"value":[1,"2"]}]}}', "2 series"),
        (b'{"status":"success","data":{"resultType":"vector","result":[{"value":[1,"NaN"]}]}}', "nan"),
        (b'{"status":"success","data":{"resultType":"vector","result":[{"value":[1,"-1"]}]}}', "-1"),
        (b'{"status":"success","data":{"resultType":"scalar","result":[1,"+Inf"]}}', "inf"),
        (b'{"status":"success","data":{"resultType":"matrix","result":[{"values":[]}]}}', "no single number"),
        (b'{"status":"success"}', "no single number"),
    ],
)  # fmt: skip
def test_prometheus_answers_that_are_no_figure(body: bytes, said: str) -> None:
    with pytest.raises(HostError) as caught:
        value(200, body)
    assert said in str(caught.value)


def test_prometheus_figures() -> None:
    assert value(200, b'{"status":"success","data":{"resultType":"scalar","result":[1,"2.5"]}}') == 2.5
    assert value(200, b'{"status":"success","data":{"resultType":"vector","result":[{"value":[1,"3"]}]}}') == 3.0
    with pytest.raises(HostError):
        QueryReader("http://127.0.0.1:9", "up").read()


@given(st.binary(max_size=100))
def test_any_answer_is_a_figure_or_an_error(body: bytes) -> None:
    for read in (lambda: value(200, body), lambda: number(body)):
        try:
            assert read() >= 0
        except HostError:
            continue


def test_commands_here() -> None:
    assert HereReader("echo 2.5; cat").read() == 2.5, "nothing to read, and nobody waits"
    for command in ("echo many", "exit 3", "true", "echo -1", "echo nan"):
        with pytest.raises(HostError):
            HereReader(command).read()


def test_a_figure_of_all_hosts_is_their_sum() -> None:
    """And nothing at all where one host says nothing."""
    sources = Sources.model_validate({"exec": {"load": {"command": "x", "on": "host"}}})
    with ThreadPoolExecutor(1) as executor:
        figures = Figures(executor, sources, [WEB1, WEB2], Wire([b"1.5", b"2", b"1", Unreachable("gone")]))
        for expected in (({"load": 3.5}, {}), ({}, {"load": "gone on web2"})):
            figures.ask()
            executor.submit(int).result()  # the pool has one thread: what was asked before has been answered
            assert figures.take() == expected
