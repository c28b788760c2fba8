"""What visitors ask for, found in the log lines of every server, on a real sh, awk and sort."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from deployer.model.errors import HostError, InputError
from deployer.model.sh import Sh
from deployer.remote.toplog import parse_top, top_urls
from deployer.services.base import AccessLog, Piped

LINES = {
    "nginx": '127.0.0.1 - - [25/Nov/2026:04:00:00 +0000] "GET {} HTTP/1.1" 200 612 "-" "{}" HIT 0.000',
    "squid": '1795580522.804 0 127.0.0.1 TCP_MEM_HIT/200 668 GET http://shop:8080{} - NONE/- "{}"',
    "varnish": '"GET http://shop{} HTTP/1.1" "{}"',
}


def log(path: str, top: str = "") -> AccessLog:
    return AccessLog(Piped(path) if path.startswith("|") else path, ("", "status", " "), 1.0, top=Sh(top))


def run(one: AccessLog, count: int = 10) -> tuple[str, ...]:
    done = subprocess.run(["sh", "-c", top_urls(one, count).line], check=False, capture_output=True)
    return parse_top(done.stdout, one)


@pytest.mark.parametrize("server", LINES)
def test_the_most_requested_come_first(tmp_path: Path, server: str) -> None:
    """Our own probes, other methods and what is no path count for nothing; the rotated log counts, too."""
    file, line = tmp_path / "access log", LINES[server]
    asked = [line.format(path, "visitor") for path in ["/b?x=1"] * 3 + ["/a"] * 2 + ["/c"]]
    asked += [line.format("//elsewhere/x", "visitor")] * 9 if server == "nginx" else []
    noise = [line.format("/probe", "deployer-probe")] * 9 + [line.format("/post", "v").replace("GET ", "POST ")] * 9
    file.write_text("\n".join([*asked, *noise, line.format("*", "v"), "GET", ""]) + "\n")
    (tmp_path / "access log.1").write_text(f"{line.format('/c', 'visitor')}\n" * 4)
    assert run(log(str(file))) == ("/c", "/b?x=1", "/a")
    assert run(log(str(file)), 1) == ("/c",)


def test_a_log_in_memory_is_read_by_its_own_command() -> None:
    """A server that keeps no file."""
    assert run(log("|exec false", top="""printf '"GET http://shop/x HTTP/1.1" "v"\\n'""")) == ("/x",)


def test_no_list_is_an_error(tmp_path: Path) -> None:
    """A file that is not there, an empty one, a server without such a log: each says so."""
    for name in ("missing", "empty"):
        (tmp_path / "empty").write_text("")
        with pytest.raises(HostError, match=f"{name} names no GET request, or cannot be read"):
            run(log(str(tmp_path / name)))
    with pytest.raises(InputError, match="in no log"):
        top_urls(log("|exec true"), 5)
    with pytest.raises(HostError):
        parse_top(b"12 /a\x1b[0m\n3 x\n-1 /b\nnonsense", log("/log"))
