"""What git and a git server say when they refuse, for a person. Pure."""

from __future__ import annotations

import re

LONGEST = 1000  # characters
ADVICE = re.compile(r"^\s*(git config --global --add safe\.directory .+)$", re.MULTILINE)
PROTECTED = re.compile(
    r"pre-receive hook declined|protected|GH0\d\d|not allowed to|denied|permission|hook declined", re.I
)
REFUSED = re.compile(r"! \[(?:remote )?rejected\] .*\((.+)\)$", re.MULTILINE)


def reason(error: Exception) -> str:
    """The server's own words in full, where one has spoken; else the last line that git said of what is wrong."""
    text = said(error)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    remote = [
        words for line in lines if line.startswith("remote:") and (words := line.removeprefix("remote:").strip(" =-"))
    ]
    why = [why for why in REFUSED.findall(text)[:1] if why not in " ".join(remote)]
    if remote or why:
        return " / ".join([*remote, *why])[:LONGEST]
    fatal = [line for line in lines if "fatal" in line or "error" in line]
    found = (fatal or lines or ["git failed"])[-1]
    return (f"{fatal[0]}; {found}" if found.startswith("error: failed to push") and len(fatal) > 1 else found)[:LONGEST]


def said(error: Exception) -> str:
    """All of what git wrote, without what GitPython puts around it."""
    text = getattr(error, "stderr", None)
    text = str(error) if text is None else text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text)
    return text.strip().removeprefix("stderr: ").strip("'")


def remedy(error: Exception) -> str:
    """The command that git itself advises; "" for none."""
    found = ADVICE.search(said(error))
    return f"if you trust it: {found[1].strip()}" if found else ""


def unprotect(error: Exception, *branches: str) -> str:
    """What to change on a server that refuses a push."""
    if not PROTECTED.search(said(error)):
        return "check the git remote; deploy rollback works without it"
    return (
        f"let whoever deploys push to {' and '.join(branches)}: take them out of the branch rules, or allow this user"
    )
