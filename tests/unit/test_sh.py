"""A value gets into shell text in one place, quoted; the type says what has been through it."""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterator
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

import deployer
from deployer.model.sh import EMPTY, Sh, assignments, block, pipe, sh, shipped, within

PACKAGE = Path(deployer.__file__).parent
HERE = "model/sh.py"
# What becomes shell text without a hole: a line in quotes of its own, and the command that a health check's author wrote.
AS_IT_IS = {HERE, "remote/words.py", "adapters/measuring/figures.py"}
TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))


def run(line: str) -> str:
    """What a sh prints."""
    return subprocess.run(["sh", "-c", line], capture_output=True, check=True, timeout=60).stdout.decode()


def calls() -> Iterator[tuple[str, ast.Call]]:
    """(file, call) of the whole package but for the sandbox."""
    for path in sorted(PACKAGE.rglob("*.py")):
        name = str(path.relative_to(PACKAGE))
        if not name.startswith("sandbox/"):
            yield from ((name, node) for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call))


def test_quotes_are_put_in_one_place() -> None:
    """`shlex.quote` and `shlex.join`, by whatever name they are imported, stand in model/sh.py alone."""
    found = set()
    for path in sorted(PACKAGE.rglob("*.py")):
        name = str(path.relative_to(PACKAGE))
        for node in ast.walk(ast.parse(path.read_text())):
            taken = isinstance(node, ast.ImportFrom) and node.module in ("shlex", "pipes")
            used = isinstance(node, ast.Attribute) and node.attr in ("quote", "join")
            if taken or (used and isinstance(node.value, ast.Name) and node.value.id == "shlex"):
                found.add(name)
    assert {name for name in found if not name.startswith("sandbox/")} == {HERE}


def test_shell_text_is_made_of_literals() -> None:
    """What `sh` fills is a literal, never an f-string; `Sh` is given one, too."""
    wrong = [
        f"{name}:{call.lineno}"
        for name, call in calls()
        if isinstance(call.func, ast.Name)
        and (call.func.id == "sh" or (call.func.id == "Sh" and name not in AS_IT_IS))
        and call.args
        and not isinstance(call.args[0], ast.Constant)
        and name != HERE
    ]
    assert not wrong


@settings(deadline=None, max_examples=60)
@given(TEXTS, TEXTS, st.lists(TEXTS))
def test_what_goes_through_a_hole_comes_out_as_it_was(first: str, second: str, more: list[str]) -> None:
    """By place, by name, as words of a list, as arguments of a sh of its own, and in a sh inside a sh."""
    show = "printf '<%s>' {} {last} {}"
    meant = "".join(f"<{text}>" for text in (first, second, *more))
    assert run(sh(show, first, more, last=second)) == meant
    inner = within("printf '<%s>' \"$@\"", first, second, *more)
    assert run(inner) == meant
    assert run(within(inner)) == meant
    assert run(sh("{}printf '<%s>' \"$A\"", assignments(A=first))) == f"<{first}>"


def test_shell_text_stands_as_it_is_and_what_is_cut_from_it_does_not() -> None:
    """The type is kept by what is made for it, and lost by what is made for text."""
    text = Sh("a b; c")
    assert sh("x {} {}", text, 7) == "x a b; c 7"
    assert type(sh("{}", "a")) is Sh
    for cut in (text[:3], text + " d", f"{text}", text.strip()):
        assert sh("{}", cut).startswith("'"), cut
    assert (pipe(Sh("a"), Sh("b")), block(Sh("a\n"), Sh("b")), sh("{}", EMPTY)) == ("a | b", "a\nb", "")


def test_a_file_is_shipped_as_it_lies_there() -> None:
    """Joined in the order that was asked for."""
    files = ("words.py", "layout.py")
    texts = [(PACKAGE / "remote" / file).read_text() for file in files]
    assert shipped("deployer.remote", *files) == "".join(texts)
