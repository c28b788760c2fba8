"""`deploy doctor`: every host, point by point."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict

from deployer.console.pages.page import Page
from deployer.model.errors import EXIT_DONE, EXIT_REFUSED
from deployer.model.examination import Point


def page(environment: str, found: Mapping[str, Sequence[Point]]) -> Page:
    """found: host -> its points."""
    fine = all(point.fine for points in found.values() for point in points)
    hosts = {name: [asdict(point) for point in points] for name, points in found.items()}
    return Page(
        "\n".join(line for name, points in found.items() for line in lines(name, points)),
        {"fine": fine, "environment": environment, "hosts": hosts},
        EXIT_DONE if fine else EXIT_REFUSED,
    )


def lines(name: str, points: Sequence[Point]) -> list[str]:
    """One host."""
    found = [name]
    for point in points:
        found.append(f"  {'ok  ' if point.fine else 'FAIL'} {point.what:<10} {point.said}")
        if point.hint:
            found.append(f"       {'':<10} hint: {point.hint}")
    return found
