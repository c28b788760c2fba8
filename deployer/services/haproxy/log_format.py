"""A log-format of HAProxy as the pieces of an AccessLog, and what each of its variables may hold."""

from __future__ import annotations

import re

from deployer.services.logfield import CLEAN, INSIDE, NAME, NUMBER, STATUS, TEXT, TIME, WORD, Form

# Configuration manual 8.2.3, `option httplog`. An empty %hr or %hs takes its space with it (measured), so the captured
# headers, of which User-Agent should be one, and the request are one field.
CLFLOG = (  # `option httplog clf`, with the same end
    '%{+Q}o %{-Q}ci - - [%trg] %r %ST %B "" "" %cp %ms %ft %b %s %TR %Tw %Tc %Tr %Ta %tsc %ac %fc %bc %sc %rc %sq %bq '
    "%CC %CS %hrl"
)
HTTPLOG = "%ci:%cp [%tr] %ft %b/%s %TR/%Tw/%Tc/%Tr/%Ta %ST %B %CC %CS %tsc %ac/%fc/%bc/%sc/%rc %sq/%bq %hr"
TOKEN = re.compile(r"%(?:\{([^}]*)\})?(\[(?:[^\]\\]|\\.)*\]|%|[A-Za-z]+)")
KEPT = frozenset(("status", "cache", "time", "agent"))
MEANS = {"ST": "status", "s": "cache", "Ta": "time", "Tt": "time"}
NUMBERS = [
    "ST",
    "B",
    "U",
    "Ta",
    "Tt",
    "TR",
    "Tw",
    "Tc",
    "Tr",
    "Td",
    "Th",
    "Ti",
    "Tq",
    "TU",
    "ac",
    "fc",
    "bc",
    "sc",
    "rc",
    "sq",
    "bq",
    "cp",
    "fp",
    "bp",
    "sp",
    "lc",
    "ms",
    "Ts",
    "rt",
    "pid",
]
BARE = frozenset((*NUMBERS, "hrl", "hsl", "tsc", "trg", "tr", "t", "T", "Tl", "trl"))  # +Q leaves them as they are
FORMS = {
    **dict.fromkeys(NUMBERS, NUMBER),
    **dict.fromkeys(("tr", "t", "trg", "trl", "T", "Tl"), INSIDE),
    **dict.fromkeys(("b", "s", "f", "ft", "ci", "fi", "bi", "si", "H", "ID", "tsc"), NAME),
    **dict.fromkeys(("CC", "CS"), WORD),
    **dict.fromkeys(("hr", "hs", "hrl", "hsl"), TEXT),
    "ST": STATUS,
    "Ta": TIME,
    "Tt": TIME,
}


def split(form: str) -> tuple[tuple[str, ...], tuple[Form, ...]]:
    """A log-format as AccessLog pieces, and the form of each field. User-Agent: a field whose expression names it, or
    what `capture` put into %hr."""
    pieces, forms, last, quoted = [""], list[Form](), 0, False
    for match in TOKEN.finditer(form):
        pieces[-1] += form[last : match.start()].replace("%%", "%")
        last = match.end()
        name, options = match[2], match[1] or ""
        if name == "%":
            pieces[-1] += "%"
            continue
        if name == "o":  # for all that follow
            quoted = "+Q" in options or (quoted and "-Q" not in options)
            last += form.startswith(" ", last)  # it writes nothing, and no blank behind that
            continue
        quote = '"' if "+Q" in options or (quoted and "-Q" not in options and name not in BARE) else ""
        agent = "user-agent" in name.lower() or name in ("hr", "hrl") or "capture.req" in name
        pieces[-1] += quote
        pieces += ["agent" if agent else MEANS.get(name, name), quote]
        forms.append(FORMS.get(name, CLEAN))
    pieces[-1] += form[last:]
    end = max((n for n, name in enumerate(pieces) if n % 2 and name in KEPT), default=-1) + 2
    if end < len(pieces):
        return (*pieces[:end], "rest", ""), (*forms[: end // 2], TEXT)
    return tuple(pieces), tuple(forms)
