"""Random lies within the grammar, another one with every answer, through a push and two rollbacks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from deployer.model.change import change_said
from deployer.model.errors import Refused, Unreachable
from deployer.model.ledger import quarantined
from deployer.model.state import TOP_NUMBER, Confirmed, HostState
from tests.fakes.hostile import A, B, C, Liar
from tests.unit.test_one_liar import LIAR, NEXT, back, copied, deploy, run

NUMBER = st.one_of(st.integers(0, 40), st.sampled_from([900, 5000, TOP_NUMBER]))
RELEASE = st.sampled_from(["", "0000000000-00000000", A, B, C, NEXT])
NAMED = st.sampled_from([A, B, C, NEXT])
LINE = st.builds(Confirmed, NUMBER, st.sampled_from(["push", "rollback", "adopt", "away"]), NAMED)
FIELDS = {
    "adopted": st.booleans(),
    "dest": st.sampled_from(["ours", "foreign", "absent"]),
    "phase": st.sampled_from(["idle", "armed", "pending", "reverting", "unknown"]),
    "deploy": st.builds("{}-beef".format, NUMBER),
    "command": st.sampled_from(["", "push", "rollback", "adopt"]),
    "outcome": st.sampled_from(["", "confirmed", "reverted"]),
    "fence": NUMBER,
    "current": RELEASE,
    "good": RELEASE,
    "loaded": RELEASE,
    "target": RELEASE,
    "left": st.integers(0, 3600),
    "alarm": st.sampled_from(["", "help"]),
    "releases": st.lists(NAMED, max_size=4).map(tuple),
    "drift": st.sampled_from([(), ("M nginx.conf",)]),
    "history": st.lists(LINE, max_size=5).map(tuple),
    "change": st.sampled_from(["reload", "restart: x", "lasting: x"]).map(change_said),
}
SILENT = st.sampled_from([Unreachable("no answer"), Refused("no", "busy"), Refused("no", "stale")])
LIE = st.one_of(st.just({}), st.fixed_dictionaries({}, optional=FIELDS), st.fixed_dictionaries(FIELDS), SILENT)  # type: ignore[var-annotated]


BURIED = {  # of what stands by its word there is nothing to go to
    "deploy": "6-beef", "command": "", "current": "", "good": "0000000000-00000000", "target": "0000000000-00000000",
    "loaded": "", "history": (Confirmed(4, "rollback", A), Confirmed(5, "away", A)),
}  # fmt: skip


@example([BURIED])
@settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(st.lists(LIE, min_size=1, max_size=12))
def test_push_rollback_rollback(lies: list[object]) -> None:
    """The others take one step back from where the push left them, and no second one; what they run is one release; no
    release but the newest is blamed."""
    world = copied("at rest", 4)
    answers = told(lies)
    truth = Liar(world.hosts, LIAR, lambda state: lied(next(answers), state))
    world.ports = replace(world.ports, hosts=truth)
    pushed = run(world, "push")
    on = one_release(world.running())
    assert on == (B if pushed.refusal or on == B else NEXT)
    decided = any(entry.record == "DECISION" for entry in world.ledger.chain[6:])
    assert decided == (on == NEXT)
    back(world)
    first = one_release(world.running())
    told_back = any(entry.record == "OUTCOME" and entry.result == "reverted" for entry in world.ledger.chain[6:])
    assert first == (B if on == NEXT or told_back else A), (pushed, lies)
    run(world, "rollback")
    assert one_release(world.running()) == first
    assert set(quarantined(tuple(world.ledger.chain), "nginx")) <= {NEXT} | ({B} if first == A else set())
    assert deploy


def told(lies: list[object]) -> Iterator[object]:
    while True:
        yield from lies


def lied(lie: object, state: HostState) -> HostState:
    if isinstance(lie, BaseException):
        raise lie
    return replace(state, **lie)  # type: ignore[arg-type]


def one_release(running: dict[str, str]) -> str:
    """Of the others: one, wholly."""
    (release,) = {on for name, on in running.items() if name != LIAR}
    return release
