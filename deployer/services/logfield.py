"""What a field of a log may hold, and so where it ends: known from the format, never guessed at the separator.

A field that cannot hold what follows it ends there. One with a grammar of its own (a list, a date, a text in which
quotes are escaped) is as long as its grammar says. Any other one ends where the rest of the line is what the format
says; two of those in one line leave what stands between them unclear, and such a format is refused.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from deployer.model.errors import InputError

JUDGED = ("status", "cache", "time", "upstream")  # what must be read exactly; an agent is only looked into


@dataclass(frozen=True, slots=True)
class Form:
    """ere: all that it may hold, for awk, without `/`. never: of Python, a character that is in none. more: of Python,
    how what follows must not begin for the longest match to be all of it; "" where the longest match says nothing."""

    ere: str
    never: str = ""
    more: str = ""

    def ends_at(self, literal: str) -> bool:
        """It cannot hold all of `literal`: the first one that is found ends it."""
        return bool(self.never and re.search(self.never, literal))

    def longest(self, literal: str) -> bool:
        """Before `literal` it is as long as its grammar matches."""
        return bool(self.more and not re.match(self.more, literal))


STATUS = Form("-?[0-9]*", r"[^-0-9]")
TIME = Form("[-+]?[0-9]*[.]?[0-9]*", r"[^-+.0-9]")
NUMBER = Form("-?[0-9.]*", r"[^-.0-9]")
WORD = Form('[^ \t",;|]*', r'[ \t",;|]')
NAME = Form("[-A-Za-z0-9_.:<>~]*", r"[^-A-Za-z0-9_.:<>~]")
DATE = Form('[^] "]+ [-+0-9]+', r'[]"]', r"[0-9]")
BRACKETED = Form(r"\[[^]]*\]", more=r"[^\s\S]")
INSIDE = Form("[^]]*", r"\]")  # of brackets
CLEAN = Form('[^"]*', r'["\x00-\x1f\x7f]')  # quotes and control characters are written as \x22 or #22
QUOTED = Form(r'([^"\\]|\\.)*', r"[\x00-\x1f]", r'[^"]')  # quotes are written as \"
TEXT = Form(".*")
NUMBERS = Form("((-|[0-9.]+)((, | : )(-|[0-9.]+))*)?", r"[^-0-9., :]", r"[-0-9.,]| :")
ADDRESSES = Form('([^ ,"]+((, | : )[^ ,"]+)*)?', r'["\t]', r"[^ \"\t]| :")
DEFAULTS = {"status": STATUS, "time": TIME}


def form_of(forms: Sequence[Form], number: int, name: str) -> Form:
    """Of the field `number` (from 0), whose meaning is `name`."""
    return forms[number] if number < len(forms) else DEFAULTS.get(name, TEXT)


def unclear(pieces: Sequence[str], forms: Sequence[Form]) -> tuple[str, str] | None:
    """(a field that is judged, one before it that may hold the separator): between two of the latter nothing is known.
    None where all is clear."""
    names, literals = pieces[1::2], pieces[2::2]
    loose = [n for n in range(len(names)) if not _ends(n, forms, literals)]
    for number, name in enumerate(names):
        before, behind = [n for n in loose if n <= number], [n for n in loose if n >= number]
        if name in JUDGED and before and behind and loose != [number]:
            return name, names[before[0]] if before[0] != number else names[behind[-1]]
    return None


def refuse_unclear(pieces: Sequence[str], forms: Sequence[Form], at: str) -> None:
    """Raise InputError, at file:line, for a format in which something that is judged cannot be told from a text beside
    it."""
    if found := unclear(pieces, forms):
        what, beside = found
        raise InputError(
            f"{at}: the {what} of a request cannot be told from {beside}, which may hold blanks",
            hint=f"put {beside} into quotes",
        )


def _ends(number: int, forms: Sequence[Form], literals: Sequence[str]) -> bool:
    """It is known where this field ends, whatever the rest of the line is."""
    form, literal = forms[number], literals[number]
    if not literal:  # the end of the line
        return form not in (TEXT, QUOTED, CLEAN)
    if form.ends_at(literal) or form.longest(literal):
        return True
    return number + 1 < len(forms) and paired(form, literal, forms[number + 1], literals[number + 1])


def paired(form: Form, literal: str, after: Form, following: str) -> bool:
    """As in `address:port `: the address may hold a colon but no blank, and the port holds no colon, so the last colon
    before the blank is it."""
    return bool(following) and form.ends_at(following) and after.ends_at(following) and after.ends_at(literal)
