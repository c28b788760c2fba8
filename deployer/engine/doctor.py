"""`deploy doctor`: is every host fit to be deployed to? Looks, and changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from deployer.engine.fanout import each
from deployer.engine.ports import Ports
from deployer.model.errors import HostError
from deployer.model.events import Phase
from deployer.model.examination import Examination, Point
from deployer.model.fleet import Host

CLOCK_SECONDS = 5.0  # beyond it, times in logs and queries of Prometheus miss what happened
SPACE_KB = 100 * 1024


def doctor(ports: Ports, hosts: Iterable[Host], examine: Callable[[Host], Examination]) -> dict[str, tuple[Point, ...]]:
    """Every host's points; one that cannot be reached has one."""
    hosts = tuple(hosts)
    ports.emit(Phase("doctor", f"looking at {len(hosts)} host{'s' * (len(hosts) != 1)}"))
    seen = each(ports, hosts, examine)
    return {name: judge(found) for name, found in seen.items()}


def judge(found: Examination | HostError) -> tuple[Point, ...]:
    """Pure."""
    if isinstance(found, HostError):
        return (Point("connection", False, str(found), "ssh to it by hand, as the same user"),)
    return (
        Point("connection", True, f"as {found.user}"),
        shell(found),
        root(found),
        Point(
            "tools",
            not found.missing,
            f"lacks {', '.join(found.missing)}" if found.missing else "all that the host agent needs",
            "install util-linux and coreutils (or busybox with these applets)" if found.missing else "",
        ),
        binaries(found),
        Point(
            "clock",
            abs(found.clock) <= CLOCK_SECONDS,
            f"{abs(found.clock):.1f} s {'ahead of' if found.clock > 0 else 'behind'} this machine",
            "let chrony or systemd-timesyncd keep both clocks" if abs(found.clock) > CLOCK_SECONDS else "",
        ),
        agent(found),
        layers(found),
        Point(
            "space",
            found.free_kb >= SPACE_KB,
            f"{found.free_kb // 1024} MB free for releases",
            "make room" if found.free_kb < SPACE_KB else "",
        ),
    )


def shell(found: Examination) -> Point:
    """Everything runs in sh whatever it is, and what login files print is set aside: told, not wrong."""
    name = found.shell.rpartition("/")[2] or "unknown"
    if not found.noise:
        return Point("shell", True, name)
    said = f"{name}; its login files print {found.noise[:40]!r} before every command; that is set aside"
    return Point("shell", True, said, "scp, rsync and git do not: print only where there is a terminal ([ -t 1 ])")


def root(found: Examination) -> Point:
    """May it do what it must?"""
    if not found.root:
        return Point("root", True, f"by {found.how}" if found.how else "yes")
    return Point("root", False, found.root, "deploy doctor --sudoers prints the rules; or give a password with -K")


def binaries(found: Examination) -> Point:
    """Of the service."""
    absent = [name for name, said in found.versions.items() if not said]
    if absent:
        return Point("binaries", False, f"{', '.join(absent)} is not there", "install the service, or set its *_bin")
    return Point(
        "binaries", True, "; ".join(f"{name}: {said}" for name, said in found.versions.items()) or "none asked"
    )


def agent(found: Examination) -> Point:
    """Not being adopted yet is no illness; an alarm is one."""
    if found.alarm:
        return Point("agent", False, f"ALARM: {found.alarm}", "the host could not go back by itself: look at it now")
    if not found.agent:
        return Point("agent", True, "this version is not installed yet; the next command that needs it does it")
    return Point("agent", True, "installed, adopted" if found.adopted else "installed; nothing is adopted yet")


def layers(found: Examination) -> Point:
    """What reverts an unconfirmed release when the watchdog is killed, too."""
    if not found.adopted:
        return Point("layers", True, "come with deploy adopt")
    text = ", ".join(found.layers) or "unknown"
    wanted = {"tick"} | ({"boot"} if "watchdog:systemd" in found.layers else set())
    without = sorted(word for word in wanted if f"{word}:none" in found.layers)
    if not found.real or not without:
        return Point("layers", True, text)
    hint = "install cron and run deploy adopt again, as root"
    return Point("layers", False, f"no {' and no '.join(without)} ({text})", hint)
