r"""A line of POSIX sh for whatever login shell the host has, and where its answer begins. Pure.

sshd gives a command line to the login shell of the user: sh, bash, zsh, fish, tcsh, csh. They agree on one thing:
within single quotes nothing means anything, except `'`, a backslash before `'` or another backslash (fish), `!` and a
newline (csh, tcsh). These four are written as printf's `%b` reads them; a csh has a limit for one word, so there are
several. The sh that is started first says where its answer begins: what came before is a login file's.
"""

from __future__ import annotations

from deployer.model.sh import Sh

BEGINS = "deployer: here the answer begins"
FRAME = f"\n{BEGINS}\n".encode()
CODED = str.maketrans({"\\": r"\0134", "'": r"\0047", "!": r"\0041", "\n": r"\0012"})
PIECE = 160  # characters of the line in one word: 800 when each of them is coded
START = f"""exec sh -c 'echo; echo "{BEGINS}"; echo "{BEGINS}" >&2; eval "set --; $(printf %b "$@")"' sh"""


def for_login_shell(line: Sh) -> Sh:
    """What to give to the login shell, so that a POSIX sh runs `line`."""
    pieces = [line[at : at + PIECE].translate(CODED) for at in range(0, len(line), PIECE)]
    return Sh(" ".join([START, *(f"'{piece}'" for piece in pieces)]))


def answer_in(stdout: bytes) -> tuple[bytes, bytes] | None:
    """(what the login files printed, what follows the mark); None where the mark has not come."""
    noise, mark, rest = stdout.partition(FRAME)
    return (noise, rest) if mark else None


def without_login(stderr: bytes) -> bytes:
    """The same of stderr, where the mark follows an unfinished line as well; all of it without a mark."""
    _, mark, rest = stderr.partition(FRAME[1:])
    return rest if mark else stderr
