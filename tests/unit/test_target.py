"""Where a rollback goes, case by case, from what hosts remember."""

from __future__ import annotations

import pytest

from deployer.engine.deploy.target import Aim, aim_for, on_host
from deployer.model.errors import DeployError
from deployer.model.release import ADOPTED
from deployer.model.stand import standing
from deployer.model.state import Confirmed, HostState

FOUND = "0000000000-00000000"
A, B, C = "aaaaaaaaaa-11111111", "bbbbbbbbbb-22222222", "cccccccccc-33333333"
LINES = {"f": FOUND, "a": A, "b": B, "c": C}


def host(history: str, on: str = "", record: str = "") -> HostState:
    """history: `1 adopt f, 2 push a`. on: what it runs, default the last line's. record: `9 push c pending` or
    `9 rollback a reverted`: the deploy in flight, or the last one that went back."""
    lines = [line.split() for line in history.split(", ")]
    past = tuple(Confirmed(int(number), command, LINES[name]) for number, command, name in lines)
    good = LINES[on] if on else next(line.release for line in reversed(past) if line.command != "away")
    state = HostState(adopted=True, current=good, good=good, loaded=good, fence=past[-1].number, history=past)
    if not record:
        return state
    number, command, name, end = record.split()
    fields = {name: getattr(state, name) for name in state.__slots__}
    fields |= {"deploy": f"{number}-beef", "command": command, "target": LINES[name], "fence": int(number)}
    if end == "pending":
        fields |= {"phase": "pending", "current": LINES[name], "loaded": LINES[name]}
    else:
        fields |= {"outcome": "reverted"}
    return HostState(**fields)


ABC = "1 adopt f, 2 push a, 5 push b, 8 push c"
CASES = {
    "all on what the last push confirmed": ([host(ABC)] * 3, Aim(B, "back", C, 8)),
    "all on what was pushed first": ([host("1 adopt f, 2 push a")], Aim(ADOPTED, "back", A, 2)),
    "a push in flight": ([host("1 adopt f, 2 push a, 5 push b", record="8 push c pending"), host(ABC[:-10])],
                         Aim(B, "undo", C, 8)),
    "a push that one host has confirmed": ([host(ABC), host(ABC[:-10], record="8 push c reverted")],
                                           Aim(B, "undo", C, 8)),
    "a push to one host only": ([host(ABC), host(ABC[:-10])], Aim(B, "undo", C, 8)),
    "a push that went back by itself": ([host(ABC[:-10], record="8 push c reverted"), host(ABC[:-10])],
                                        Aim(B, "stay", "", 5, A)),
    "a push that went back, on a host that missed the one before": (
        [host(ABC[:-10], record="8 push c reverted"), host("1 adopt f, 2 push a")], Aim(B, "finish", "", 5)),
    "the first push went back": ([host("1 adopt f", record="2 push a reverted")], Aim(ADOPTED, "stay")),
    "a rollback": ([host(ABC + ", 9 away c, 9 rollback b")] * 2, Aim(B, "stay", C, 9, A)),
    "a rollback without its `away` (an older deployer's)": ([host(ABC + ", 9 rollback b")], Aim(B, "stay", C, 9, A)),
    "a rollback that one host slept through": ([host(ABC + ", 9 away c, 9 rollback b"), host(ABC)],
                                               Aim(B, "finish", C, 9)),
    "a rollback in flight": ([host(ABC + ", 9 away c", on="c", record="9 rollback b pending"), host(ABC)],
                             Aim(B, "finish", C, 9)),
    "a rollback whose deployer died": ([host(ABC + ", 9 away c", on="c", record="9 rollback b reverted"), host(ABC)],
                                       Aim(B, "finish", C, 9)),
    "the same, and it had named another release": (
        [host(ABC + ", 9 away c", on="c", record="9 rollback a reverted"), host(ABC)], Aim(A, "finish", C, 9)),
    "the same, and a push after it went back, too": (
        [host(ABC + ", 9 away c", on="c", record="10 push a reverted"), host(ABC)], Aim(B, "finish", C, 9)),
    "a rollback that died, and a fix that all hosts confirmed": (
        [host("1 adopt f, 2 push a, 5 push b, 6 away b, 8 push c")], Aim(A, "back", C, 8)),
    "a rollback that never arrived": ([host(ABC, record="9 rollback c reverted")], Aim(B, "back", C, 8)),
    "one step further": ([host(ABC + ", 9 away c, 9 rollback b, 10 away b, 10 rollback a")],
                         Aim(A, "stay", B, 10, ADOPTED)),
    "a push after a rollback": ([host("1 adopt f, 2 push a, 5 push b, 6 away b, 6 rollback a, 8 push c")],
                                Aim(A, "back", C, 8)),
    "the same release pushed again to a host that lacked it": (
        [host(ABC), host("1 adopt f, 2 push a, 5 push b, 10 push c")], Aim(B, "back", C, 10)),
    "a host that joined late": ([host("1 adopt f, 2 push a, 5 push b"), host("9 adopt f, 10 push b")],
                                Aim(A, "back", B, 10)),
    "two deploys of one number, begun at once": (
        [host(ABC + ", 9 away c, 9 rollback b"), host(ABC, record="9 push a pending")], Aim(B, "finish", C, 9)),
    "a push that died under one that went back": (
        [host(ABC[:-10], record="8 push c pending"), host(ABC[:-10], record="9 push a reverted")],
        Aim(B, "undo", C, 8)),
}  # fmt: skip


@pytest.mark.parametrize(("states", "aim"), CASES.values(), ids=CASES)
def test_where_it_goes(states: list[HostState], aim: Aim) -> None:
    """Whatever order the hosts answer in."""
    assert aim_for(states) == aim
    assert aim_for(reversed(states)) == aim


def test_nowhere_to_go() -> None:
    """Only adopted, or everything before was called bad."""
    for history in ("1 adopt f", "1 adopt f, 1 away f, 2 push a"):
        with pytest.raises(
            DeployError,
            match=r"no earlier confirmed release than (the configuration as it was found|aaaaaaaaaa-11111111)",
        ):
            aim_for([host(history)])


def test_a_person_names_it() -> None:
    """What all hosts are on is called bad; where they differ, what a rollback would have left; never the target."""
    assert aim_for([host(ABC)] * 2, A) == Aim(A, "named", C)
    assert aim_for([host(ABC), host(ABC[:-10])], A) == Aim(A, "named", C)
    assert aim_for([host(ABC)], C) == Aim(C, "named", "")
    assert aim_for([host("1 adopt f")], A) == Aim(A, "named", ADOPTED)


def test_as_found_is_what_lay_there_before_the_first_push() -> None:
    """A hand edit that was adopted later is none."""
    edited = "0000000000-11111111"
    past = (Confirmed(1, "adopt", FOUND), Confirmed(2, "push", A), Confirmed(3, "adopt", edited))
    assert on_host(HostState(history=past), ADOPTED) == FOUND
    assert on_host(HostState(history=(past[0], Confirmed(2, "adopt", edited))), ADOPTED) == edited
    assert on_host(HostState(), B) == B


def test_what_stands() -> None:
    """A release pushed again stands again; one that was named anew takes the place of what it left."""
    assert standing(host("1 adopt f, 2 push a, 3 push b, 4 push a").history) == [ADOPTED, B, A]
    assert standing(host("1 adopt f, 2 push a, 3 away a, 4 push a").history) == [ADOPTED, A]
    assert standing(host("1 adopt f, 2 push a, 3 rollback b").history) == [ADOPTED, B]
    assert standing(host("1 adopt f, 2 push a, 3 away a, 3 rollback b").history) == [ADOPTED, B]
