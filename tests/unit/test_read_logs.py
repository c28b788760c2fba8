"""Reading a log from a cursor: the real script, in every shell of the contract, and answers of any bytes."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployer.model.errors import DeployError, HostError
from deployer.remote.counters import Counters, fetch, parse_counters, read_counters, unpack
from deployer.remote.layout import Layout
from deployer.remote.logs import AT_END, CAP, FROM_START, Cursor, LogRead, ask_logs, parse_logs, read_logs
from deployer.sandbox import binaries
from deployer.services.base import AccessLog, Piped

LOG = AccessLog(
    "/log",
    ("", "status", " ", "cache", " ", "time", ""),
    1000.0,
    frozenset(("HIT",)),
    frozenset(("MISS",)),
    frozenset(),
)


def shells() -> dict[str, list[str]]:
    found = {"sh": ["sh"], **({"bash": ["bash", "--posix"]} if shutil.which("bash") else {})}
    for name, words in (("busybox", ["busybox", "ash"]), ("mksh", ["mksh"])):
        try:
            found[name] = [binaries.find(words[0]), *words[1:]]
        except DeployError:
            continue
    return found


SHELLS = shells()


@dataclass
class Here:
    """A host that is this machine: `read` is one read, from where the last one ended."""

    folder: Path
    shell: list[str]
    tools: str = ""
    cursors: dict[str, Cursor] = field(default_factory=dict)

    @property
    def path(self) -> Path:
        return self.folder / "access.log"

    @property
    def rotated(self) -> Path:
        return self.folder / "access.log.1"

    def run(self, line: str, given: bytes = b"") -> bytes:
        environ = {**os.environ, **({"PATH": self.tools} if self.tools else {})}
        words = [*self.shell, "-c", line]
        done = subprocess.run(words, input=given, capture_output=True, env=environ, check=False, timeout=60)
        assert not done.stderr, done.stderr
        return done.stdout

    def layout(self) -> Layout:
        return Layout("", str(self.folder), str(self.folder), "/etc/nginx", "/agent")

    def read(self, path: str = "") -> LogRead:
        path = path or str(self.path)
        cursor = self.cursors.get(path, AT_END)
        command = read_logs(self.layout(), [[replace(LOG, path=Piped(path) if path.startswith("|") else path)]])
        (found,) = parse_logs(self.run(command.line, ask_logs([cursor])), [cursor])
        self.cursors[path] = found.cursor
        return found

    def write(self, many: int, path: Path | None = None, line: str = "200 HIT 0.010\n") -> None:
        with (path or self.path).open("a") as file:
            file.write(line * many)


@pytest.fixture(params=SHELLS)
def here(request: pytest.FixtureRequest, tmp_path: Path) -> Here:
    """Begun: what was written before is not counted."""
    one = Here(tmp_path, SHELLS[request.param])
    one.write(9)
    assert one.read().counts.n == 0
    return one


@pytest.fixture
def busybox(tmp_path: Path) -> Here:
    """A host that has busybox and nothing else."""
    box = Path(binaries.find("busybox")).resolve()
    tools = tmp_path / "bin"
    tools.mkdir()
    for tool in ("sh", "ls", "awk", "dd", "tail", "head", "tr", "readlink", "timeout", "sleep"):
        (tools / tool).symlink_to(box)
    return Here(tmp_path, [str(tools / "sh")], str(tools))


def test_what_was_added_is_counted_once(here: Here) -> None:
    here.write(5)
    here.write(2, line="503 MISS 0.2\n")
    first = here.read()
    assert (first.state, first.counts.n, first.counts.err, first.counts.look, first.counts.miss) == ("ok", 7, 2, 7, 2)
    assert here.read().counts.n == 0
    here.write(1, line="200 HIT")
    assert here.read().counts.n == 0, "half a line is left for the next read"
    here.write(1, line=" 0.5\n")
    assert here.read().counts.n == 1


def test_rotation_loses_nothing(here: Here) -> None:
    """Renamed and still written to, the new one still empty, both written to, and after."""
    here.write(1)
    here.path.rename(here.rotated)
    here.write(2, here.rotated)
    assert here.read().counts.n == 3
    here.path.touch()
    here.write(4, here.rotated)
    found = here.read()
    assert (found.counts.n, found.rotated) == (4, False)
    here.write(1, here.rotated)
    here.write(5)
    found = here.read()
    assert (found.counts.n, found.rotated) == (6, True)
    here.write(7)
    assert here.read().counts.n == 7


def test_rotated_out_of_sight(here: Here) -> None:
    """The new one from its beginning, whatever PATH.1 is."""
    keep = here.path.open()  # its inode is not given away again
    here.path.unlink()
    here.write(50, here.rotated)
    here.write(3)
    assert here.read().counts.n == 3
    keep.close()


def test_cut_off_where_it_lay(here: Here) -> None:
    here.write(20)
    here.read()
    here.path.write_text("")
    here.write(2)
    found = here.read()
    assert (found.counts.n, found.rotated) == (2, True)


def test_more_than_is_read_at_once(here: Here) -> None:
    """The newest, from a whole line on; how much was skipped is said; then it is up to date."""
    here.write(CAP // 14 + 50000)
    found = here.read()
    assert found.counts.bad == 0
    assert CAP // 14 - 1 <= found.counts.n <= CAP // 14
    assert found.skipped > 49000 * 14
    here.write(1)
    assert here.read().counts.n == 1


def test_a_line_without_an_end_is_not_read_for_ever(here: Here) -> None:
    here.write(CAP, line="x")
    found = here.read()
    assert (found.counts.n, found.counts.bad) == (0, 1)
    here.write(1, line="\n200 HIT 0.1\n")
    assert here.read().counts.n == 1


def test_missing_then_there(here: Here) -> None:
    """What comes later is all new."""
    here.path.unlink()
    found = here.read()
    assert (found.state, found.cursor) == ("missing", FROM_START)
    here.write(3)
    assert here.read().counts.n == 3
    assert here.read("/no/such/folder/access.log").state == "missing"


def test_not_a_file(here: Here) -> None:
    here.path.unlink()
    here.path.mkdir()
    assert here.read().state == "not a file"


@pytest.mark.needs("root's setpriv")
def test_unreadable() -> None:
    """The log, or a folder on the way to it; root reads everything, so root asks as nobody."""
    drop = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if os.geteuid() == 0 else []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        here = Here(folder / "logs", [*drop, "sh"])
        here.folder.mkdir()
        here.write(1)
        assert here.read().state == "ok"
        here.path.chmod(0)
        assert here.read().state == "unreadable"
        here.folder.chmod(0)
        assert here.read().state == "unreadable"
        here.folder.chmod(0o755)


def test_odd_names_and_bytes(here: Here) -> None:
    """A path is data; NUL and the rest of the bytes are lines like others."""
    name = here.folder / 'it\'s $(id) "log"; x'
    name.write_bytes(b"")
    here.read(str(name))
    name.write_bytes(b"200 HIT 0.1\n\x00\xff\xfe200 HIT\n\n200 MISS 0.1\n")
    found = here.read(str(name))
    assert (found.counts.n, found.counts.bad) == (2, 1)


def test_commands(here: Here) -> None:
    """What they print in their time is counted; one that fails is named."""
    found = here.read("|printf '200 HIT 0.1\\n200 MISS 0.1\\n'")
    assert (found.state, found.counts.n, found.counts.bad) == ("ok", 2, 0)
    assert here.read("|exit 3").state == "failed: exit 3"
    assert here.read("|exec no-such-command").state == "failed: exit 127 (not found)"
    endless = "|exec timeout 1 sh -c 'while :; do echo 200 HIT 0.1; sleep 0.1; done'"
    assert here.read(endless).counts.n > 1


def test_nothing_but_busybox(busybox: Here) -> None:
    busybox.write(1)
    assert busybox.read().counts.n == 0
    busybox.write(4)
    assert busybox.read().counts.n == 4
    busybox.path.rename(busybox.rotated)
    busybox.write(1, busybox.rotated)
    busybox.write(2)
    assert busybox.read().counts.n == 3


def test_the_release_is_told(here: Here) -> None:
    (here.folder / "current").symlink_to("releases/aaaaaaaaaa-11111111")
    assert here.read().release == "aaaaaaaaaa-11111111"
    (here.folder / "current").unlink()
    (here.folder / "current").symlink_to('releases/","x":"')
    assert here.read().release == ""


def test_two_logs_in_one_go(here: Here) -> None:
    """Old and new release log to different files."""
    other = here.folder / "new.log"
    command = read_logs(here.layout(), [[replace(LOG, path=str(here.path))], [replace(LOG, path=str(other))]])
    asked = [here.cursors[str(here.path)], AT_END]
    first, second = parse_logs(here.run(command.line, ask_logs(asked)), asked)
    assert (first.state, second.state) == ("ok", "missing")


def test_one_command_answers_again_and_again(here: Here) -> None:
    """As it does on a host for the whole of a watch: nothing is left open, nothing is remembered."""
    command = read_logs(here.layout(), [[replace(LOG, path=str(here.path))]])
    shell = subprocess.Popen([*here.shell, "-c", command.line], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert shell.stdin
    assert shell.stdout
    cursor = here.cursors[str(here.path)]
    for number in range(1, 6):
        here.write(number)
        if number == 3:
            here.path.rename(here.rotated)
            here.write(2)
        shell.stdin.write(ask_logs([cursor]))
        shell.stdin.flush()
        (found,) = parse_logs(shell.stdout.readline(), [cursor])
        assert found.counts.n == (5 if number == 3 else number)
        cursor = found.cursor
    open_files = len(list(Path(f"/proc/{shell.pid}/fd").iterdir()))
    assert open_files <= 5, "a log that is kept open keeps its disk space"
    shell.stdin.close()
    assert shell.wait(20) == 0


@given(st.binary(max_size=200))
def test_any_answer_is_read_or_refused(answer: bytes) -> None:
    for read in (lambda: parse_logs(answer, [AT_END]), lambda: parse_counters(answer), lambda: unpack(answer)):
        with contextlib.suppress(HostError):
            read()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
LOGGED = dict.fromkeys(("n", "err", "look", "miss", "orig", "probe", "bad", "used", "exit", "lat"), JSON)
ANSWER = dict.fromkeys(("release", "inode", "start", "skipped", "rotated"), JSON)


@given(st.fixed_dictionaries({**ANSWER, "state": st.just("ok"), "log": st.none() | st.fixed_dictionaries(LOGGED)}))
def test_an_answer_of_the_right_shape_and_any_values(body: dict[str, object]) -> None:
    try:
        (found,) = parse_logs(json.dumps(body).encode(), [AT_END])
    except HostError:
        return
    assert found.cursor.inode >= 0
    assert all(value >= 0 for value in (found.counts.n, found.counts.err, found.skipped))
    assert all(ms >= 0 and many >= 0 for ms, many in found.counts.lat)


@pytest.mark.parametrize("ms", ["1" + "0" * 400, "-1", "1e999", "NaN", "true", '"5"'])
def test_a_time_that_is_none(ms: str) -> None:
    """Refused, not raised: an integer of 400 digits is one that no float holds."""
    log = dict.fromkeys(("n", "err", "look", "miss", "orig", "probe", "bad", "odd", "used", "exit"), 0) | {"word": ""}
    body = {"release": "", "state": "ok", "inode": 1, "start": 0, "skipped": 0, "rotated": False, "log": log}
    answer = json.dumps({**body, "log": {**log, "lat": [["MS", 1]]}})
    with pytest.raises(HostError, match="the answer is no answer"):
        parse_logs(answer.replace('"MS"', ms).encode(), [AT_END])
    (found,) = parse_logs(answer.replace('"MS"', "12.5").encode(), [AT_END])
    assert found.counts.lat == ((12.5, 1),)


def test_counters_are_differences() -> None:
    before = parse_counters(b"n 10\nlook 9\nmiss 3\nsince 5\nodd thing 3\n")
    after = parse_counters(b"n 30\nlook 25\nmiss 4\norig 3\nsince 5\n")
    assert after.after(before) == {"n": 20, "look": 16, "miss": 1}
    for restarted in (Counters({"n": 31}, 6), Counters({"n": 29}, 5)):
        with pytest.raises(HostError, match="began again"):
            restarted.after(after)
    with pytest.raises(HostError, match="cannot be read"):
        parse_counters(b"since 3\nn minus\n")


def test_counters_of_a_service(here: Here) -> None:
    """Asked by the functions of the release that is live; those that all releases shared serve where there are none."""
    (here.folder / "service").write_text("service_counters() { echo n 3; echo since 1; }\n")
    (here.folder / "current").symlink_to("releases/aaaaaaaaaa-11111111")
    assert parse_counters(here.run(read_counters(here.layout()).line)) == Counters({"n": 3}, 1)
    (here.folder / "phrases").mkdir()
    own = here.folder / "phrases/aaaaaaaaaa-11111111"
    own.write_text("service_counters() { echo n 4; }\n")
    assert parse_counters(here.run(read_counters(here.layout()).line)) == Counters({"n": 4}, 0)
    own.write_text("service_counters() { return 1; }\n")
    with pytest.raises(HostError):
        parse_counters(here.run(read_counters(here.layout()).line))


def test_p16_a_login_script_may_say_something_before_the_release(here: Here) -> None:
    """`echo Welcome` in .bashrc: the real traffic was given up for it."""
    (here.folder / "releases/r").mkdir(parents=True)
    (here.folder / "releases/r/nginx.conf").write_text("events {}\n")
    (here.folder / "current").symlink_to("releases/r")
    answer = here.run(fetch(here.layout()).line)
    for noise in (b"Welcome\n", b"Welcome", b"\0\xff" * 500 + b"\n"):
        assert unpack(noise + answer) == {"nginx.conf": b"events {}\n"}
    with pytest.raises(HostError, match="there is no answer"):
        unpack(b"Welcome\n")


def test_the_release_of_a_host_is_fetched(here: Here) -> None:
    tree = here.folder / "releases/r"
    (tree / "conf.d").mkdir(parents=True)
    (tree / "nginx.conf").write_text("events {}\n")
    (tree / "conf.d/a.conf").write_bytes(b"\x00\xff")
    (tree / "link").symlink_to("/etc/passwd")
    (here.folder / "current").symlink_to("releases/r")
    assert unpack(here.run(fetch(here.layout()).line)) == {"nginx.conf": b"events {}\n", "conf.d/a.conf": b"\x00\xff"}
    (here.folder / "current").unlink()
    with pytest.raises(HostError, match=r"cannot be read \(there is none; deploy adopt"):
        unpack(here.run(fetch(here.layout()).line))
