"""The contract of the host verbs: the same tests on the fakes and on real sshd + hostctl (dash, busybox ash)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from deployer.model.change import Change
from deployer.model.errors import Refused
from deployer.model.state import HostState
from tests.contract.rig import BROKEN, UNLOADABLE, Rig, order, package

ONE, TWO = package(b"one\n"), package(b"two\n")


def adopted(rig: Rig) -> HostState:
    """An adopted host."""
    return rig.hosts.adopt(rig.host, order(ONE, 1))


def confirmed(rig: Rig, number: int = 2) -> HostState:
    """A host that has ONE confirmed."""
    adopted(rig)
    rig.hosts.stage(rig.host, ONE)
    rig.hosts.activate(rig.host, order(ONE, number))
    return rig.hosts.confirm(rig.host, order(ONE, number))


def refusal(call: Callable[[], object]) -> str:
    """The code a verb refuses with."""
    with pytest.raises(Refused) as caught:
        call()
    assert caught.value.message
    assert "\n" not in caught.value.message
    return caught.value.code


def test_survey_changes_nothing(rig: Rig) -> None:
    """A host that was never adopted says so, twice."""
    first = rig.hosts.survey(rig.host)
    assert (first.adopted, first.dest, first.in_flight) == (False, "foreign", False)
    assert rig.hosts.survey(rig.host) == first


def test_adopt_takes_what_is_there(rig: Rig) -> None:
    """The first release is what lies there; nothing is in flight; a second adopt changes nothing."""
    state = adopted(rig)
    assert (state.adopted, state.dest, state.fence) == (True, "ours", 1)
    assert state.current == state.good
    assert state.current.startswith("0000000000-")
    assert [line.release for line in state.history] == [state.good]
    again = rig.hosts.adopt(rig.host, order(ONE, 1))
    assert (again.good, again.history) == (state.good, state.history)


def test_unadopt_gives_back_what_is_live(rig: Rig) -> None:
    """Nothing of ours is left, twice; and it can be adopted again."""
    confirmed(rig)
    for _ in range(2):
        state = rig.hosts.unadopt(rig.host, order(ONE, 3))
        assert (state.adopted, state.dest, state.current, state.history) == (False, "foreign", "", ())
        assert rig.hosts.survey(rig.host) == state
    again = rig.hosts.adopt(rig.host, order(ONE, 4))
    assert (again.adopted, again.in_flight, len(again.history)) == (True, False, 1)


def test_unadopt_is_refused_while_something_is_open(rig: Rig) -> None:
    """In flight, edited, or older than what the host has seen."""
    confirmed(rig)
    rig.hosts.stage(rig.host, TWO)
    rig.hosts.activate(rig.host, order(TWO, 3))
    assert refusal(lambda: rig.hosts.unadopt(rig.host, order(TWO, 4))) == "busy"
    rig.hosts.revert(rig.host, order(TWO, 3))
    assert refusal(lambda: rig.hosts.unadopt(rig.host, order(TWO, 1))) == "stale"
    rig.edit(b"by hand\n")
    assert refusal(lambda: rig.hosts.unadopt(rig.host, order(TWO, 4))) == "drift"
    assert rig.hosts.survey(rig.host).current == ONE.release


def test_push_is_stage_check_activate_confirm(rig: Rig) -> None:
    """Each verb answers with the state after it; only confirm moves `good`."""
    first = adopted(rig).good
    staged = rig.hosts.stage(rig.host, ONE)
    assert ONE.release in staged.releases
    assert staged.current == first
    assert rig.hosts.check(rig.host, ONE.release).current == first
    pending = rig.hosts.activate(rig.host, order(ONE, 2))
    assert (pending.phase, pending.current, pending.loaded, pending.good) == (
        "pending",
        ONE.release,
        ONE.release,
        first,
    )
    assert pending.in_flight
    assert 0 < pending.left <= 30
    assert pending.watchdog == "alive"
    done = rig.hosts.confirm(rig.host, order(ONE, 2))
    assert done.verified_on(ONE.release)
    assert (done.outcome, done.fence) == ("confirmed", 2)
    assert [(line.number, line.command, line.release) for line in done.history][-1] == (2, "push", ONE.release)


def test_preview_leaves_nothing_behind(rig: Rig) -> None:
    """It says what check would say and what the change costs, and the host is as before."""
    before = confirmed(rig)
    assert rig.hosts.preview(rig.host, TWO).change == Change()
    assert refusal(lambda: rig.hosts.preview(rig.host, package(BROKEN))) == "invalid"
    after = rig.hosts.survey(rig.host)
    assert (after.releases, after.current, after.fence) == (before.releases, before.current, before.fence)
    rig.hosts.stage(rig.host, TWO)
    assert rig.hosts.check(rig.host, TWO.release).change == Change()


def test_every_verb_may_be_repeated(rig: Rig) -> None:
    """A reply that was lost is asked for again: same answer, no second effect."""
    adopted(rig)
    for _ in range(2):
        rig.hosts.stage(rig.host, ONE)
        rig.hosts.check(rig.host, ONE.release)
    for _ in range(2):
        assert rig.hosts.activate(rig.host, order(ONE, 2)).phase == "pending"
    for _ in range(2):
        assert rig.hosts.extend(rig.host, order(ONE, 2)).phase == "pending"
    for _ in range(2):
        done = rig.hosts.confirm(rig.host, order(ONE, 2))
    assert done.verified_on(ONE.release)
    assert len(done.history) == 2


def test_revert_goes_back_and_stays_back(rig: Rig) -> None:
    """Back on `good`, with the process; twice; and the same deploy cannot be activated or confirmed afterwards."""
    confirmed(rig)
    rig.hosts.stage(rig.host, TWO)
    rig.hosts.activate(rig.host, order(TWO, 3))
    for _ in range(2):
        state = rig.hosts.revert(rig.host, order(TWO, 3))
        assert state.verified_on(ONE.release)
        assert state.outcome == "reverted"
    assert refusal(lambda: rig.hosts.activate(rig.host, order(TWO, 3))) == "mismatch"
    assert refusal(lambda: rig.hosts.confirm(rig.host, order(TWO, 3))) == "expired"


def test_revert_before_activate_arrives(rig: Rig) -> None:
    """A revert that overtakes its activate wins: the late activate is refused."""
    confirmed(rig)
    rig.hosts.stage(rig.host, TWO)
    assert rig.hosts.revert(rig.host, order(TWO, 3)).verified_on(ONE.release)
    assert refusal(lambda: rig.hosts.activate(rig.host, order(TWO, 3))) == "mismatch"
    assert rig.hosts.survey(rig.host).verified_on(ONE.release)


def test_watchdog_reverts_what_nobody_confirms(rig: Rig) -> None:
    """Silence means revert; a confirmation after that is refused."""
    confirmed(rig)
    rig.hosts.stage(rig.host, TWO)
    rig.hosts.activate(rig.host, order(TWO, 3, lease=2))
    state = rig.until(lambda s: s.verified_on(ONE.release), 20)
    assert state.verified_on(ONE.release)
    assert state.outcome == "reverted"
    assert refusal(lambda: rig.hosts.confirm(rig.host, order(TWO, 3))) == "expired"
    assert refusal(lambda: rig.hosts.extend(rig.host, order(TWO, 3))) == "expired"


def test_extend_keeps_it_pending(rig: Rig) -> None:
    """A renewed lease starts anew."""
    confirmed(rig)
    rig.hosts.stage(rig.host, TWO)
    rig.hosts.activate(rig.host, order(TWO, 3, lease=4))
    assert rig.hosts.extend(rig.host, order(TWO, 3, lease=30)).left > 4


def test_check_refuses_what_the_validator_refuses(rig: Rig) -> None:
    """With the validator's message, before anything live is touched; activate refuses it too."""
    before = confirmed(rig)
    bad = package(BROKEN)
    rig.hosts.stage(rig.host, bad)
    assert refusal(lambda: rig.hosts.check(rig.host, bad.release)) == "invalid"
    assert refusal(lambda: rig.hosts.activate(rig.host, order(bad, 3))) == "invalid"
    assert rig.hosts.survey(rig.host).verified_on(before.good)


def test_accepted_but_never_loaded_is_undone(rig: Rig) -> None:
    """Check and reload say yes, the process does not have it: unproven, and the host is back already."""
    confirmed(rig)
    bad = package(UNLOADABLE)
    rig.hosts.stage(rig.host, bad)
    rig.hosts.check(rig.host, bad.release)
    assert refusal(lambda: rig.hosts.activate(rig.host, order(bad, 3))) == "unproven"
    state = rig.hosts.survey(rig.host)
    assert state.verified_on(ONE.release)
    assert state.outcome == "reverted"


def test_an_older_deploy_is_fenced_off(rig: Rig) -> None:
    """A host that has seen deploy 5 refuses 4, and another deploy with the same number."""
    confirmed(rig, number=5)
    rig.hosts.stage(rig.host, TWO)
    assert refusal(lambda: rig.hosts.activate(rig.host, order(TWO, 4))) == "stale"
    assert refusal(lambda: rig.hosts.activate(rig.host, order(TWO, 5, nonce="ffff"))) == "stale"
    assert rig.hosts.survey(rig.host).verified_on(ONE.release)


def test_two_deploys_never_leave_two_pending(rig: Rig) -> None:
    """While one is pending another is refused, and can neither confirm nor revert the first."""
    confirmed(rig)
    rig.hosts.stage(rig.host, TWO)
    rig.hosts.activate(rig.host, order(TWO, 3))
    assert refusal(lambda: rig.hosts.activate(rig.host, order(ONE, 4))) == "busy"
    assert refusal(lambda: rig.hosts.confirm(rig.host, order(ONE, 4))) == "mismatch"
    assert refusal(lambda: rig.hosts.revert(rig.host, order(ONE, 4))) == "mismatch"
    assert rig.hosts.survey(rig.host).deploy == "3-abcd"


def test_an_unknown_release_is_refused(rig: Rig) -> None:
    """Neither checked nor activated."""
    confirmed(rig)
    assert refusal(lambda: rig.hosts.check(rig.host, TWO.release)) == "missing"
    assert refusal(lambda: rig.hosts.activate(rig.host, order(TWO, 3))) == "missing"


def test_a_confirmed_deploy_is_not_reverted(rig: Rig) -> None:
    """Confirm and revert exclude each other."""
    confirmed(rig)
    assert refusal(lambda: rig.hosts.revert(rig.host, order(ONE, 2))) == "mismatch"


def test_what_a_rollback_leaves_is_remembered_before_it_is_confirmed(rig: Rig) -> None:
    """From the activation on, whether the host keeps it or goes back; and the host says which command it was."""
    confirmed(rig)
    rig.hosts.stage(rig.host, TWO)
    rig.hosts.activate(rig.host, order(TWO, 3))
    rig.hosts.confirm(rig.host, order(TWO, 3))
    for number, end in ((4, rig.hosts.revert), (5, rig.hosts.confirm)):
        back = replace(order(ONE, number), command="rollback", leaves=TWO.release)
        for _ in range(2):
            assert rig.hosts.activate(rig.host, back).command == "rollback"
        state = end(rig.host, back)
        assert [(line.number, line.command, line.release) for line in state.history][3:][0] == (4, "away", TWO.release)
        assert (state.command, state.target) == ("rollback", ONE.release)
    assert [(line.number, line.command) for line in state.history][3:] == [(4, "away"), (5, "away"), (5, "rollback")]
    rig.hosts.revert(rig.host, replace(order(TWO, 6), command="rollback"))
    assert rig.hosts.survey(rig.host).command == "rollback", "one that never arrived says what it was, too"


def test_a_hand_edit_is_drift(rig: Rig) -> None:
    """The file is named."""
    confirmed(rig)
    rig.edit(b"by hand\n")
    assert rig.hosts.survey(rig.host).drift == ("M conf.d/app.conf",)


def test_prune_keeps_what_matters(rig: Rig) -> None:
    """Never the current, the good, or the newest confirmed ones."""
    confirmed(rig)
    for number, content in enumerate((b"a\n", b"b\n", b"c\n"), 3):
        pack = package(content)
        rig.hosts.stage(rig.host, pack)
        rig.hosts.activate(rig.host, order(pack, number))
        rig.hosts.confirm(rig.host, order(pack, number))
    state = rig.hosts.prune(rig.host, 2)
    kept = set(state.releases)
    assert {package(b"c\n").release, package(b"b\n").release} <= kept
    assert ONE.release not in kept
    assert state.verified_on(package(b"c\n").release)


def test_prune_keeps_what_a_rollback_would_go_to(rig: Rig) -> None:
    """Releases that were rolled away from count for nothing, however many came since; they go first."""
    confirmed(rig)
    old, bad = package(b"old\n"), [package(b"bad 1\n"), package(b"bad 2\n")]
    steps = [(old, "push"), (bad[0], "push"), (old, "rollback"), (bad[1], "push"), (old, "rollback")]
    for number, (pack, word) in enumerate(steps, 3):
        rig.hosts.stage(rig.host, pack)
        its = replace(order(pack, number), command=word)  # type: ignore[arg-type]
        rig.hosts.activate(rig.host, its)
        rig.hosts.confirm(rig.host, its)
    state = rig.hosts.prune(rig.host, 2)
    assert set(state.releases) == {ONE.release, old.release}
