"""Where a command ends is where the same command once more leaves everything: for a retry, a pager, a second person."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

from deployer.model.desired import desired
from deployer.model.errors import EXIT_DONE, DeployError
from deployer.model.ledger import Entry
from deployer.model.outcome import Outcome
from tests.fakes.world import World

Result = TypeVar("Result", Outcome, tuple[Outcome, tuple[Entry, ...]])
ASKS = {"survey", "check", "preview"}  # verbs that change nothing


@dataclass(frozen=True)
class End:
    """Of one run."""

    code: int
    said: str
    entries: tuple[Entry, ...] = ()


def final(world: World, command: Callable[[], Result], liar: str = "") -> Result:
    """What `command` gives, or raises. Afterwards it is run again, twice: with its records not written (git is gone)
    and written. No host is changed, nothing is decided, and it ends with exit 0 and nothing to do, or as the first time
    did. liar: a host that says what is not so, and may get for it what it likes."""
    error: DeployError | None = None
    try:
        result = command()
        first = told(result)
    except DeployError as caught:
        error, first = caught, End(caught.exit_code, str(caught))
    calls, chain = list(world.hosts.calls), list(world.ledger.chain)
    once_more(world, command, first, liar)
    if first.entries:
        world.ledger.chain[:] = [*chain, *numbered(first.entries, len(chain))]
        once_more(world, command, first, liar)
        world.ledger.chain[:] = chain
    world.hosts.calls[:] = calls
    if error:
        raise error
    return result


def once_more(world: World, command: Callable[[], Result], first: End, liar: str) -> None:
    """The checks of `final`."""
    hosts, decisions, wanted = stand(world), decided(world), desired(world.ledger.read(), world.request.playbook.name)
    world.hosts.calls.clear()
    try:
        again = told(command())
    except DeployError as error:
        again = End(error.exit_code, str(error))
    assert again.code in (EXIT_DONE, first.code), (first, again)
    now = stand(world)
    changed = {name: (was, now[name]) for name, was in hosts.items() if was != now[name] and name != liar}
    assert not changed, again
    assert (decided(world), desired(world.ledger.read(), world.request.playbook.name)) == (decisions, wanted), again
    if again.code == EXIT_DONE:
        assert not again.entries, again
        assert {verb for verb, _ in world.hosts.calls} <= ASKS, world.hosts.calls


def told(result: Outcome | tuple[Outcome, tuple[Entry, ...]]) -> End:
    outcome, entries = (result, ()) if isinstance(result, Outcome) else result
    return End(outcome.exit_code, outcome.error, entries)


def numbered(entries: tuple[Entry, ...], after: int) -> list[Entry]:
    """As the ledger would write them."""
    return [replace(entry, number=after + at) for at, entry in enumerate(entries, 1)]


def decided(world: World) -> list[Entry]:
    return [entry for entry in world.ledger.chain if entry.record == "DECISION"]


def stand(world: World) -> dict[str, tuple[object, ...]]:
    """What every host runs, would come back to, is busy with, and remembers."""
    return {
        name: (m.current, m.good, m.loaded, m.phase, tuple(m.history), tuple(sorted(m.releases)))
        for name, m in world.machines.items()
    }
