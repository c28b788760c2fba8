"""A stand-in for HAProxy's master: `haproxy THIS -f FILE` (whatever argv[0] says), with one worker that listens.

SIGUSR2 is a reload: for `EXEC` seconds the master has neither command line nor environment, as a process in the middle
of an exec; then it counts one more reload and has another worker. With `DIES` in its environment it ends instead. For
its first `DEAF` seconds it does not catch the signal, as after an exec.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import socket
import sys
import time
from pathlib import Path
from types import FrameType

MEMORY = tuple(int(n) for n in Path("/proc/self/stat").read_text().rpartition(")")[2].split()[45:49])
ARGUMENTS, ENVIRONMENT = MEMORY[:2], MEMORY[2:]
PR_SET_NAME = 15
WORKERS: list[int] = []  # the newest last


def read(area: tuple[int, ...]) -> bytes:
    """What the kernel shows of this process."""
    return ctypes.string_at(area[0], area[1] - area[0])


def write(area: tuple[int, ...], text: bytes) -> None:
    """Show something else, of the same length."""
    ctypes.memmove(area[0], text, len(text))


def fork_worker() -> int:
    """A child that listens until it is told to end."""
    pid = os.fork()
    if pid == 0:
        signal.signal(signal.SIGUSR2, signal.SIG_DFL)
        wire = socket.create_server(("127.0.0.1", 0))
        while os.getppid() != 1:
            time.sleep(0.05)
        wire.close()
        os._exit(0)
    return pid


def reload(number: int, frame: FrameType | None) -> None:
    """One exec of the master, at its slowest."""
    if "DIES" in os.environ:
        os.kill(WORKERS[-1], signal.SIGKILL)
        os._exit(1)
    words, names = read(ARGUMENTS), read(ENVIRONMENT)
    write(ARGUMENTS, bytes(len(words)))
    write(ENVIRONMENT, bytes(len(names)))
    time.sleep(float(os.environ["EXEC"]))
    write(ARGUMENTS, words)  # the worker is a copy
    WORKERS.append(fork_worker())
    os.kill(WORKERS[-2], signal.SIGKILL)
    with contextlib.suppress(ChildProcessError):
        os.waitpid(WORKERS[-2], 0)
    write(ENVIRONMENT, names.replace(b";reloads=1;", b";reloads=2;"))


def main() -> None:
    """Until a signal ends it."""
    ctypes.CDLL(None).prctl(PR_SET_NAME, b"haproxy")
    WORKERS.append(fork_worker())
    Path(sys.argv[sys.argv.index("-f") + 1]).with_name("ready").touch()
    time.sleep(float(os.environ.get("DEAF", "0")))
    signal.signal(signal.SIGUSR2, reload)
    while True:
        signal.pause()


if __name__ == "__main__":
    main()
