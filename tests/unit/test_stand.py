"""The host's own reading of its history (it prunes by it) is ours: any sequence of lines, in the awk of the agent."""

from __future__ import annotations

import subprocess
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from deployer.engine.deploy.target import on_host
from deployer.model.release import ADOPTED
from deployer.model.stand import disowned, standing
from deployer.model.state import Confirmed, HostState
from deployer.remote.layout import agent_source

FOUND = ["0000000000-00000000", "0000000000-11111111"]
RELEASES = [f"{c * 10}-{c * 8}" for c in "abcd"]
LINES = st.lists(
    st.one_of(
        st.tuples(st.just("adopt"), st.sampled_from(FOUND)),
        st.tuples(st.sampled_from(["push", "rollback", "away"]), st.sampled_from(RELEASES)),
        st.tuples(st.just("rollback"), st.just(FOUND[0])),
    ),
    max_size=12,
)


def agents(folder: Path, history: list[Confirmed]) -> list[str]:
    """What `standing` of the agent says of a history file."""
    (folder / "history").write_text("".join(f"{h.number} {h.command} {h.release}\n" for h in history))
    source = agent_source().decode()
    body = source[source.index("standing() {") : source.index("do_prune() {")]
    done = subprocess.run(["sh", "-c", body + "standing"], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.split()


@settings(deadline=None)  # it starts a shell
@given(LINES)
def test_the_agent_and_we_agree(tmp_path_factory: object, words: list[tuple[str, str]]) -> None:
    """Where a rollback may go is never pruned first."""
    history = [Confirmed(1, "adopt", FOUND[0])]
    history += [Confirmed(n, command, release) for n, (command, release) in enumerate(words, 2)]
    state = HostState(history=tuple(history))
    folder = tmp_path_factory.mktemp("host")  # type: ignore[attr-defined]
    expected = [on_host(state, ADOPTED) if name == ADOPTED else name for name in standing(history)]
    assert agents(folder, history) == expected


def test_a_rollback_that_began_and_the_one_that_ended(tmp_path: Path) -> None:
    """One number, two lines."""
    a, b, c, d = RELEASES
    lines = [Confirmed(1, "adopt", FOUND[0])]
    lines += [Confirmed(n, "push", r) for n, r in enumerate((a, b, c), 2)]
    lines += [Confirmed(5, "away", c), Confirmed(6, "away", c), Confirmed(6, "rollback", b), Confirmed(7, "push", d)]
    assert agents(tmp_path, lines) == [FOUND[0], a, b, d]
    assert standing(lines) == [ADOPTED, a, b, d]
    assert disowned(lines) == {c}
    assert disowned([*lines, Confirmed(8, "push", c)]) == set()
