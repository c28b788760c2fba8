"""Every field of a host's answer has a grammar and a bound; what is outside them is refused, and is that host's."""

from __future__ import annotations

import json
from dataclasses import fields

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployer.model.errors import HostError, Refused, Unreachable
from deployer.model.state import HostState
from deployer.remote import answer
from deployer.remote.answer import FIELDS, parse
from tests.fakes.hostile import LIES, TRUTH


def said(**changes: object) -> bytes:
    return json.dumps({**TRUTH, **changes}).encode()


def test_every_field_is_read_by_a_rule() -> None:
    """A field that is added to HostState gets one."""
    assert set(FIELDS) == {field.name for field in fields(HostState)} <= set(TRUTH)


def test_the_truth_is_read_as_it_was_said() -> None:
    """No field is lost, and what is optional may be left out."""
    state = parse(b"Welcome to web1!\n\n" + said() + b"\n", 0, b"")
    assert (state.fence, state.left, state.history[-1].command) == (7, 12, "push")
    assert dict(state.files) == TRUTH["files"]
    assert parse(b'{"ok":true,"proto":1,"adopted":false,"dest":"foreign"}', 0, b"").dest == "foreign"


@pytest.mark.parametrize(("name", "lie"), [(name, lie) for name, lies in LIES.items() for lie in lies], ids=str)
def test_a_lie_is_refused_and_named(name: str, lie: object) -> None:
    """In one line, whatever it is."""
    with pytest.raises(HostError, match=f"^the host's answer cannot be read: {name} is ") as caught:
        parse(said(**{name: lie}), 0, b"")
    assert len(caught.value.message) < 700
    assert caught.value.message.isprintable()


def test_what_is_only_shown_is_one_bounded_line() -> None:
    """No control character of an answer reaches a terminal."""
    state = parse(
        said(alarm="\x1b[2J" + "x" * 9999, loaded="a\nb", change="restart: a\x9b", drift=["M a\x1b]0;x\x07"]), 0, b""
    )
    assert all(text.isprintable() for text in (state.alarm, state.loaded, state.change.why, *state.drift))
    assert len(state.alarm) == answer.TEXT


def test_a_folder_that_is_no_release_is_none() -> None:
    """Somebody's backup among the releases makes no host unreadable."""
    ours = "aaaaaaaaaa-11111111"
    assert parse(said(releases=["backup", ours, "../x"]), 0, b"").releases == (ours,)


def test_the_newest_lines_of_a_long_history_count() -> None:
    """Hosts keep theirs for years."""
    lines = [[number, "push", "aaaaaaaaaa-11111111"] for number in range(5000)]
    state = parse(said(history=lines), 0, b"")
    assert [state.history[0].number, state.history[-1].number, len(state.history)] == [4000, 4999, 1000]


def test_a_refusal_has_a_known_shape() -> None:
    """Its code is a word; its text is one line."""
    for code, kept in (("busy", "busy"), ("stopping", "stopping"), (["x"], "usage"), ("B" * 999, "usage"), (None, "usage")):  # fmt: skip
        with pytest.raises(Refused) as caught:
            parse(json.dumps({"ok": False, "proto": 1, "code": code, "error": "a\nb"}).encode(), 1, b"")
        assert (caught.value.code, caught.value.message) == (kept, "a b")
    with pytest.raises(Refused) as caught:
        parse(json.dumps({"ok": True, "proto": "x" * 99999}).encode(), 0, b"")
    assert len(caught.value.message) < 100


@pytest.mark.parametrize("text", [b"", b"\n\n", b"[" * 100_000, b'{"ok"', b"9" * 5000, b"\xff\xfe", b'["ok"]', b"null"])
def test_what_is_no_answer_is_silence(text: bytes) -> None:
    """And its stderr is quoted."""
    with pytest.raises(Unreachable, match="it said: oh no"):
        parse(text, 1, b"oh\nno\n")


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=600, deadline=None)
@given(st.sampled_from(sorted(FIELDS)), VALUES)
def test_any_value_of_any_field(name: str, value: object) -> None:
    """It is read within its bounds or refused; nothing else is raised."""
    try:
        state = parse(said(**{name: value}), 0, b"")
    except HostError as error:
        refused = error.message
    else:
        refused = ""
    if refused:
        assert refused.isprintable()
        return
    assert 0 <= state.fence <= 10**11
    assert 0 <= state.left <= 3600
    assert all("/" not in text and ".." not in text for text in (state.deploy, state.current, state.good, state.target))
    assert not any(path.startswith("/") or ".." in path.split("/") for path in state.files)
