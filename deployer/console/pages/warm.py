"""`deploy warm`: how far each host's cache came."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict

from deployer.console.pages.page import Page
from deployer.model.errors import EXIT_DONE, EXIT_REFUSED, HostError
from deployer.model.warming import WarmResult


def page(results: Mapping[str, WarmResult | HostError]) -> Page:
    """Exit 1 when a host stays cold."""
    warm = all(isinstance(one, WarmResult) and one.enough for one in results.values())
    lines = [f"{name:<24} {end(one)}" for name, one in results.items()]
    body = {"warm": warm, "hosts": {name: to_json(one) for name, one in results.items()}}
    return Page("\n".join(lines), body, EXIT_DONE if warm else EXIT_REFUSED)


def end(result: WarmResult | HostError) -> str:
    """How one host ended, in one line."""
    if isinstance(result, HostError):
        return f"not warmed: {result}"
    return f"{result.why} ({result.total} requests)"


def to_json(result: WarmResult | HostError) -> dict[str, object]:
    """The counts and why it ended, in words; or the error."""
    if isinstance(result, HostError):
        return {"error": str(result)}
    return {name: value for name, value in asdict(result).items() if name != "end"}
