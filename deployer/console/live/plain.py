"""Append-only lines: one per change, a heartbeat with figures during the bake. For logs, pipes and CI."""

from __future__ import annotations

import time
from collections.abc import Callable

from deployer.console.say import one_line
from deployer.model import events
from deployer.model.plan import Plan
from deployer.model.sample import HostSample, Sample
from deployer.model.warming import WarmResult

HEARTBEAT = 5.0


class Plain:
    """write: gets one line at a time. Events come from worker threads too; a line is written whole."""

    def __init__(self, write: Callable[[str], None], verbose: bool = False) -> None:
        self._write, self._verbose = write, verbose
        self._last_beat = -HEARTBEAT

    def __call__(self, event: events.Event) -> None:
        line = self.line(event)
        if line:
            self._write(f"{time.strftime('%H:%M:%S')} {one_line(line)}")

    def close(self) -> None:
        """Nothing to put back."""

    def line(self, event: events.Event) -> str:
        """One line, or "" for nothing worth one."""
        if isinstance(event, events.Watched):
            return self._beat(event)
        if isinstance(event, events.Warmed):
            done = event.result.asked >= event.of
            return warmed(event.result, event.of) if done or self._verbose else ""
        if isinstance(event, events.Measured):
            worth = event.done % int(HEARTBEAT) == 0 or event.done == event.of
            return f"  baseline {event.done}/{event.of} s  {figures(event.sample)}" if worth else ""
        if isinstance(event, events.HostChanged):
            small = event.state in ("staged", "checked") and not self._verbose
            return "" if small else f"  {event.host} {event.state}" + (f": {event.detail}" if event.detail else "")
        if isinstance(event, events.Planned):
            return plan_line(event.plan)
        if isinstance(event, events.WaveStarted):
            return f"wave {event.number}/{event.of}: {', '.join(event.hosts)}"
        return told(event)

    def _beat(self, event: events.Watched) -> str:
        t = event.sample.t
        if event.reading.state == "continue" and t - self._last_beat < HEARTBEAT and t >= self._last_beat:
            return ""
        self._last_beat = t
        return "  " + "; ".join(filter(None, (f"{t:.0f}/{event.of:.0f} s  {figures(event.sample)}", doubt(event))))


def doubt(event: events.Watched) -> str:
    """What a verdict waits for; "" where there is one: it is told by itself."""
    if event.reading.state != "continue":
        return ""
    why = event.reading.reason
    return f"no verdict yet{f': {why}' if why else ''}" if event.over else why


def told(event: events.Event) -> str:
    """The events that are a sentence already."""
    if isinstance(event, events.Phase):
        return f"{event.name}: {event.text}"
    if isinstance(event, events.Judged):
        return f"wave {event.wave} {event.verdict.ruling}: {event.verdict.because}"
    if isinstance(event, events.Notice):
        return f"{event.level}: {event.text}"
    if isinstance(event, events.Recorded) and event.pending:
        return f"ledger: {event.record} put aside"
    return ""


def warmed(result: WarmResult, of: int) -> str:
    """`  web1 warming: pass 2, 200/200, 96 % from the cache`."""
    share = f", {result.hit_ratio:.0%} from the cache" if result.told else ""
    return f"  {result.host} warming: pass {result.number}, {result.asked}/{of}{share}"


def plan_line(plan: Plan) -> str:
    """`nginx A -> B: 4 hosts in 3 waves (1, 1, 2)`."""
    if not plan.hosts:
        return f"plan: {plan.playbook} {plan.release}: nothing to do"
    sizes = ", ".join(str(len(wave)) for wave in plan.waves)
    change = f"{plan.previous or '(different releases)'} -> {plan.release}"
    hosts, waves = len(plan.hosts), len(plan.waves)
    many = f"{hosts} host{'s' * (hosts != 1)} in {waves} wave{'s' * (waves != 1)}"
    return f"plan: {plan.playbook} {change}: {many} ({sizes})"


def figures(sample: Sample) -> str:
    """`web1 20 requests 0 failed 12 ms | ...` for the tick."""
    return " | ".join(f"{name} {_host(one)}" for name, one in list(sample.hosts.items())[:6])


def _host(one: HostSample | None) -> str:
    if one is None:
        return "no data"
    middle = sorted(one.lat)[len(one.lat) // 2] if one.lat else 0.0
    missed = f" {one.rehit_bad}/{one.rehit_n} re-fetches missed" if one.rehit_n else ""
    return f"{one.n} requests {one.err} failed {middle:.0f} ms{missed}"
