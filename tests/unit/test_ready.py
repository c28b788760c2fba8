"""What would leave a push without evidence is known at once, said once, and stops it before the lock is taken."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from deployer.adapters.measuring import ready as room
from deployer.adapters.measuring.poll import Reader
from deployer.adapters.measuring.ready import Ready
from deployer.adapters.measuring.tally import CheckResult
from deployer.adapters.measuring.traffic import Traffic
from deployer.adapters.reading.places import places
from deployer.engine.deploy.plan import plan_push
from deployer.engine.deploy.push import push
from deployer.model.errors import DeployError, HostError, InputError, Interrupted
from deployer.model.events import Notice
from deployer.model.fleet import Host
from deployer.model.missing import Missing, fold, folded
from deployer.model.schema.health import HealthCheck
from deployer.model.schema.playbook import Playbook
from deployer.remote.logs import Counts
from deployer.wiring import evidence
from deployer.wiring.measuring import Notices, Seen
from tests.fakes.world import NEW, World

CHECK = {
    "probes": [
        {"name": "home", "url": "/"},
        {"name": "page", "url": "/p", "cacheable": True},
        {"name": "extra", "url": "/x", "level": "advisory"},
    ],
    "sources": {
        "traffic": "access_log",
        "prometheus": {
            "url": "http://127.0.0.1:1",
            "db": {"query": "x"},
            "cpu": {"query": "y"},
            "seen": {"query": "z", "shadow": True},
        },
    },
}
NAMES = ("web1", "web2", "web3", "web4")
HOSTS = [Host(name) for name in NAMES]
WELL = Traffic(Counts(lat=()), frozenset())


@dataclass
class Answers:
    """Satisfies adapters.ready.Probing. bad: (host, probe) -> what each time it is asked it fails with, the last one
    for ever; mute: whose answers say nothing of a cache."""

    bad: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    mute: Collection[tuple[str, str]] = ()
    doubtful: bool = False
    asked: list[tuple[str, str]] = field(default_factory=list)

    def once(self, hosts: Sequence[Host], only: Collection[tuple[str, str]] | None = None) -> Sequence[CheckResult]:
        found = []
        for host in hosts:
            for probe in ("home", "page", "extra"):
                key = (host.name, probe)
                if only is not None and key not in only:
                    continue
                self.asked.append(key)
                said = self.bad.get(key, [""])
                why = said.pop(0) if len(said) > 1 else said[0]
                hit = True if probe == "page" and not why and key not in self.mute else None
                level: Any = "advisory" if probe == "extra" else "required"
                found.append(CheckResult(host.name, probe, level, why, 1.0, hit, self.doubtful and bool(why)))
        return found


@dataclass
class Place:
    """A reader that fails so often, and then gives something."""

    given: Any = WELL
    why: str = ""
    times: int = 10**6
    follows: bool = True
    slow: bool = False

    def read(self) -> Any:
        self.times -= 1
        if self.why and self.times >= 0:
            raise HostError(self.why)
        return self.given


def ready(
    probes: Answers, logs: dict[str, Place] | None = None, figures: dict[str, Place] | None = None, **sources: Any
) -> Ready:
    check = HealthCheck.model_validate({**CHECK, "sources": {**CHECK["sources"], **sources}})  # type: ignore[dict-item]
    read: dict[str, Reader[Traffic]] = {**(logs or {})}
    return Ready(check, probes, read, {**(figures or {})}, lambda what: {"probe home": "h.yml:2"}.get(what, ""))


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "AGAIN", 0.0)


@pytest.mark.parametrize(
    ("hosts", "said"),
    [
        (["web1", "web2", "web3", "web4"], "web1-4"),
        (["web01.eu", "web02.eu", "web03.us", "db"], "web01-02.eu, web03.us, db"),
        (["web9", "web10", "web1", "a", "a"], "web9, web10, web1, a"),
        (["0", "1"], "0-1"),
    ],
)
def test_hosts_are_folded(hosts: list[str], said: str) -> None:
    assert folded(hosts) == said


def test_everything_that_is_missing_is_said_at_once() -> None:
    """A probe that fails everywhere, answers without a cache header, logs that are not there, a Prometheus that is
    down; what is advisory, decides nothing or is well stops nobody."""
    bad = {(name, "home"): ["status 500 instead of 200"] for name in NAMES} | {("web1", "extra"): ["no answer"]}
    logs = {name: Place(why="" if name == "web2" else "access log /l: missing") for name in NAMES}
    figures = {name: Place(1.0, "refused") for name in ("db", "cpu", "seen")}
    found = ready(Answers(bad, {("web2", "page"), ("web3", "page")}), logs, figures).missing(HOSTS)
    probe, mute, log, figure = found.refused
    assert probe == "web1-4: probe home (h.yml:2): status 500 instead of 200"
    assert mute.startswith("web2-3: probe page is cacheable, and no header of its answer ")
    assert log == "web1, web3-4: `traffic: access_log` cannot be read: access log /l: missing"
    assert figure == "figure db, figure cpu: http://127.0.0.1:1: refused"
    assert found.warned == ("figure seen: http://127.0.0.1:1: refused",)


def test_nothing_is_missing() -> None:
    probes = Answers()
    asked = ready(probes, {name: Place() for name in NAMES}, {"db": Place(1.0)})
    assert asked.missing(HOSTS) == Missing()
    assert len(probes.asked) == len(asked.results) == 12, "each once"


def test_a_hiccup_is_no_illness() -> None:
    """What fails is asked again, and only that; a log may begin with the first request, a rate with the second
    scrape."""
    probes = Answers({("web1", "home"): ["no answer", "no answer", ""]})
    asked = ready(probes, {"web1": Place(why="missing", times=2)}, {"db": Place(1.0, "no data", 1)})
    assert asked.missing(HOSTS[:2]) == Missing()
    assert probes.asked.count(("web1", "home")) == 3
    assert probes.asked.count(("web2", "home")) == probes.asked.count(("web1", "page")) == 1


def test_a_busy_machine_blames_nobody() -> None:
    assert ready(Answers({("web1", "home"): ["no answer"]}, doubtful=True)).missing(HOSTS) == Missing()


def test_what_auto_does_not_find_is_a_warning() -> None:
    found = ready(Answers(), {name: Place(why="access log /l: missing") for name in NAMES}, traffic="auto")
    assert found.missing(HOSTS) == Missing((), ("web1-4: no real traffic is seen: access log /l: missing",))


def test_hosts_that_are_not_asked_for_stop_nothing() -> None:
    asked = ready(Answers({("web4", "home"): ["down"]}), {"web4": Place(why="missing")})
    assert asked.missing(HOSTS[:3]) == Missing()


def test_one_of_two_cacheable_probes_suffices() -> None:
    """As it does for the watch."""
    check = {**CHECK, "probes": [{**one, "cacheable": True} for one in CHECK["probes"]], "sources": {}}  # type: ignore[dict-item]
    found = Ready(HealthCheck.model_validate(check), Answers(), {}, {}).missing(HOSTS)
    assert not found.refused
    assert [text.partition(" is cacheable")[0] for text in found.warned] == [
        "web1-4: probe home",
        "web1-4: probe extra",
    ]


def test_it_says_where_it_is_written(tmp_path: Path) -> None:
    """Of two health checks, too: a probe by its full name, a source by the file that counts."""
    (tmp_path / "health_checks").mkdir()
    (tmp_path / "health_checks/a.yml").write_text("probes:\n  - {name: home, url: /}\nsources: {traffic: none}\n")
    text = "probes:\n  - {name: home, url: /}\n  - {name: own, url: /}\nsources:\n  traffic: auto\n"
    (tmp_path / "health_checks/b.yml").write_text(text + "  prometheus:\n    url: http://p\n    db: {query: x}\n")
    book = Playbook.model_validate(
        {"name": "shop", "service": "nginx", "hosts": "edge", "dest": "/etc/nginx", "health_checks": ["a", "b"]}
    )
    place = places(tmp_path, book)
    said = {what: place(what) for what in ("probe a/home", "probe b/home", "probe own", "traffic", "figure db", "x")}
    lines = {what: where.rpartition("/")[2] for what, where in said.items()}
    assert lines == {
        "probe a/home": "a.yml:2", "probe b/home": "b.yml:2", "probe own": "b.yml:3",
        "traffic": "b.yml:5", "figure db": "b.yml:8", "x": "",
    }  # fmt: skip


def pushed(world: World, found: Missing) -> list[list[str]]:
    """The hosts that were asked, each time."""
    asked: list[list[str]] = []

    def missing(hosts: Sequence[Host]) -> Missing:
        assert not world.ledger.chain, "the lock is not taken yet"
        asked.append([host.name for host in hosts])
        return found

    world.policy = replace(world.policy, missing=missing)
    return asked


def test_a_push_is_refused_before_the_lock() -> None:
    """All of it in one error; no host is changed, nothing is recorded."""
    world = World()
    asked = pushed(world, Missing(("web1-3: probe home: down", "figure db: refused"), ("web1: odd",)))
    with pytest.raises(DeployError) as caught:
        push(world.request, world.release(), world.ports, world.ledger, world.policy)
    assert caught.value.message == (
        f"cannot push {NEW}, nothing could be proven of it: web1-3: probe home: down; figure db: refused"
    )
    assert (caught.value.exit_code, "deploy check" in caught.value.hint) == (1, True)
    assert asked == [["web1", "web2", "web3"]]
    assert not world.ledger.chain


def test_a_warning_stops_no_push_and_who_is_not_in_it_is_not_asked() -> None:
    world = World()
    asked = pushed(world, Missing((), ("web1: no real traffic is seen: missing",)))
    world.request = replace(world.request, limit=frozenset({"web2"}))
    assert push(world.request, world.release(), world.ports, world.ledger, world.policy).result == "deployed"
    assert asked == [["web2"]]
    assert Notice("warning", "web1: no real traffic is seen: missing") in world.events


def test_a_fleet_that_has_the_release_is_not_asked() -> None:
    """Nothing is judged then."""
    world = World()
    push(world.request, world.release(), world.ports, world.ledger, world.policy)
    world.policy = replace(world.policy, missing=lambda hosts: Missing(("down",)))
    assert push(world.request, world.release(), world.ports, world.ledger, world.policy).result == "unchanged"


def test_a_plan_is_refused_as_the_push_would_be() -> None:
    """Before the server's own check, which may make the log that is missing; a warning is one of the plan's."""
    world = World()
    with pytest.raises(DeployError, match=r"nothing could be proven of it: web1-3: down"):
        plan_push(world.request, world.release(), world.ports, lambda hosts: Missing(("web1-3: down",)))
    assert {call[0] for call in world.hosts.calls} == {"survey"}
    plan = plan_push(world.request, world.release(), world.ports, lambda hosts: Missing((), ("web1: odd",)))
    assert plan.warnings[-1] == "web1: odd"


def test_who_asks_to_stop_waits_for_no_answer() -> None:
    world = World()
    world.policy = replace(world.policy, missing=lambda hosts: world.stop.ask() or Missing(("down",)))
    with pytest.raises(Interrupted):
        push(world.request, world.release(), world.ports, world.ledger, world.policy)
    assert not world.ledger.chain


def test_files_of_a_host_outside_the_limit_stop_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its log may be another; whoever gets the release must say how it logs."""

    def traffic_on(context: Any, host: Host, release: Any) -> Seen:
        raise InputError("nginx.conf:3: log_format main lacks what is needed")

    monkeypatch.setattr(evidence, "traffic_on", traffic_on)
    context: Any = SimpleNamespace(limit=frozenset({"web1"}))
    said = evidence.seen_on(context, Host("web2"), World().release()).said
    assert said == "web2: nginx.conf:3: log_format main lacks what is needed"
    with pytest.raises(InputError):
        evidence.seen_on(context, Host("web1"), World().release())


def test_lost_evidence_is_folded_at_the_end() -> None:
    """By host where it is the same text, each line once; and what was missing from the start is in it."""
    notices = Notices()
    for name in NAMES:
        notices(f"{name}: access log /l: it was rotated")
    notices("nginx.conf:3: some log elsewhere")
    notices("nginx.conf:3: some log elsewhere")
    notices.noting(lambda hosts: Missing(("x",), ("web1: odd",)))(HOSTS)
    assert notices.again("", dict.fromkeys(NAMES)) == (
        "web1-4: access log /l: it was rotated",
        "nginx.conf:3: some log elsewhere",
        "web1: odd",
    )
    assert fold(["x: y", "x: y"], {}) == ("x: y",)
