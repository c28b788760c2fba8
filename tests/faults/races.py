"""Races on one host: a confirmation against the end of its lease, and two deployers against each other (R5).

Each race is decided on the host; what it answered, what its links say and what its process has must be one story.
"""

from __future__ import annotations

import random
import subprocess
from concurrent.futures import ThreadPoolExecutor

from tests.faults.crash import ONE, THREE, TWO, Bench, HostFolder, Tally, loaded, wait
from tests.faults.oracle import look, unsound

LEASE = 2


def ask(host: HostFolder, verb: str, *words: str) -> bool:
    """One verb; did it answer ok?"""
    done = host.sh(host.agent, verb, str(host.root), *words)
    return done.stdout.startswith('{"ok":true')


def prepare(host: HostFolder) -> None:
    """ONE confirmed, TWO and THREE staged."""
    host.restore(host.fresh)
    for release in (TWO, THREE):
        line = 'sh "$1" stage "$2" "$3" < "$4"'
        tar = str(host.tars[release.release])
        host.sh("-c", line, "sh", host.agent, str(host.root), release.release, tar)


def confirm_or_expiry(host: HostFolder, seed: int) -> Tally:
    """The confirmation is sent up to 1.5 s before the deadline or just after it: the host decides."""
    prepare(host)
    ask(host, "activate", "3-abcd", "3", "push", TWO.release, str(LEASE), "600")
    moment = random.Random(seed).uniform(-1.5, 0.2)
    wait(lambda: host.left() + moment < 0, LEASE + 5)
    confirmed = ask(host, "confirm", "3-abcd")
    wait(lambda: not unsound(host.root, loaded(host), {ONE.release, TWO.release}), LEASE + 20)
    tally = Tally(1, int(confirmed))
    tally.note(
        f"race {seed}: confirmed {confirmed}", unsound(host.root, loaded(host), {(TWO if confirmed else ONE).release})
    )
    return tally


def two_deployers(host: HostFolder, seed: int) -> Tally:
    """Two activations of different deploys at the same moment; then each confirms what it thinks it has."""
    prepare(host)
    orders = [("3-aaaa", "3", TWO.release), ("4-bbbb", "4", THREE.release)]
    random.Random(seed).shuffle(orders)
    env = {"PATH": f"{host.path}:/usr/sbin:/usr/bin:/sbin:/bin"}
    children = [
        subprocess.Popen(
            ["sh", host.agent, "activate", str(host.root), deploy, number, "push", release, "30", "600"],
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
        )
        for deploy, number, release in orders
    ]
    won = [child.communicate(timeout=60)[0].startswith('{"ok":true') for child in children]
    confirmed = [ask(host, "confirm", deploy) for deploy, _, _ in orders]
    allowed = [release for (_, _, release), yes in zip(orders, confirmed, strict=True) if yes] or [ONE.release]
    tally = Tally(1, sum(won))
    if sum(won) != 1 or confirmed != won:
        tally.note(f"race {seed}", [f"activated {won}, confirmed {confirmed}"])
    tally.note(f"race {seed}: {orders}", unsound(host.root, loaded(host), set(allowed[-1:])))
    if look(host.root).state.get("outcome") != "confirmed":
        tally.note(f"race {seed}", [f"the record says {look(host.root).state}"])
    return tally


RACES = {"confirm against expiry": confirm_or_expiry, "two deployers": two_deployers}


def races(bench: Bench, name: str, count: int) -> Tally:
    """`count` of them; killed counts the confirmed ones, or the activations that won."""
    total = Tally()
    with bench.hosts("dash") as idle:

        def borrowed(seed: int) -> Tally:
            host = idle.get()
            try:
                return RACES[name](host, seed)
            finally:
                idle.put(host)

        with ThreadPoolExecutor(bench.workers) as pool:
            for tally in pool.map(borrowed, range(count)):
                total.add(tally)
    return total
