"""How an error looks: what, where, so what, now what."""

from __future__ import annotations

from deployer.model.errors import DeployError


def clean(text: str) -> str:
    """Text that came from a host or a file, without control characters: a terminal must not obey it."""
    return "".join(c if c.isprintable() or c == "\n" else "?" for c in text)


def error_lines(error: DeployError, colour: bool = False) -> list[str]:
    """`error: ...`, the excerpt with its caret, the consequence, one hint."""
    red, dim, end = ("\033[31m", "\033[2m", "\033[0m") if colour else ("", "", "")
    lines = [f"{red}error:{end} {clean(error.message)}"]
    if error.excerpt:
        lines += clean(error.excerpt).split("\n")
    if error.consequence:
        lines.append(f"{dim}{error.consequence}{end}")
    if error.hint:
        lines.append(f"hint: {clean(error.hint)}")
    return lines
