"""What the runs found, as tables: faults x steps, and the counts of the crash harness."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tests.faults.matrix import STEPS, Result

Row = Mapping[str, Any]


def matrix_table(results: Iterable[Result], command: str) -> str:
    """Markdown: one row per fault, one column per step of `command`. `ok 3` is the exit code (negative: killed by that
    signal); * the hosts ended apart, each was named, and one `status --repair` brought them together."""
    steps = list(STEPS[command])
    cells: dict[str, dict[str, Result]] = {}
    for result in results:
        if result.command == command:
            cells.setdefault(result.fault, {})[result.step] = result
    lines = [f"| `deploy {command}` | {' | '.join(steps)} |", f"|{'---|' * (len(steps) + 1)}"]
    for fault, row in cells.items():
        words = [row[step].word if step in row else "" for step in steps]
        lines.append(f"| {fault} | {' | '.join(words)} |")
    return "\n".join(lines)


def summary(results: list[Result]) -> str:
    """The sentence that everything is about."""
    ran = [r for r in results if not r.skipped]
    bad = [r for r in ran if r.violations]
    apart = [r for r in ran if r.named]
    lines = [f"{len(ran)} cells, {len(bad)} violations, {len(bad)} rows mixed and not reported"]
    lines[0] += f"; {len(apart)} ended apart, named by the command or by deploy status, and were brought together"
    killed = [r.seconds["rest"] for r in ran if r.fault == "deployer SIGKILL" and "rest" in r.seconds]
    if killed:
        lines.append(
            f"deployer SIGKILL: all hosts at rest {max(killed):.1f} s later at the latest, of {len(killed)} cells"
        )
    for word in ("network silent", "answers lost", "firewall"):
        took = [r.seconds["ended"] for r in ran if word in r.fault and "ended" in r.seconds]
        if took:
            lines.append(f"{word}: the command ended within {max(took):.1f} s, of {len(took)} cells")
    waited = [r.seconds["others"] for r in ran if r.fault == "network silent, one host" and "others" in r.seconds]
    if waited:
        lines.append(f"a silent host: the others were at rest {max(waited):.1f} s after it fell silent at the latest")
    lines += [f"LATE {r.command} / {r.fault} / {r.step}: {'; '.join(r.late)}" for r in ran if r.late]
    lines += [f"VIOLATION {r.command} / {r.fault} / {r.step}: {'; '.join(r.violations)}" for r in bad]
    return "\n".join(lines)


def crash_table(rows: Sequence[Row]) -> str:
    """Markdown: one row per case."""
    lines = [
        "| case | changes in one deploy | runs | killed | finished by a tick | violations |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        words = (row["case"], row["points"], row["runs"], row["killed"], row["ticked"], len(row["violations"]))
        lines.append(f"| {' | '.join(map(str, words))} |")
    runs, bad = sum(r["runs"] for r in rows), sum(len(r["violations"]) for r in rows)
    return "\n".join([*lines, f"| all | | {runs} | {sum(r['killed'] for r in rows)} | | {bad} |"])
