"""Append-only lines: one per change, a heartbeat with figures during the bake. For logs, pipes and CI."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import assert_never

from deployer.console.say import one_line
from deployer.model import events
from deployer.model.outcome import Outcome
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

    def finish(self, outcome: Outcome) -> None:
        """The closing sentence says it."""

    def line(self, event: events.Event) -> str:
        """One line, or "" for nothing worth one."""
        match event:
            case events.Watched():
                return self._beat(event)
            case events.Warmed(result, of):
                return warmed(result, of) if result.asked >= of or self._verbose else ""
            case events.Measured(sample, done, of):
                worth = done % int(HEARTBEAT) == 0 or done == of
                return f"  baseline {done}/{of} s  {figures(sample)}" if worth else ""
            case events.HostChanged(host, state, detail):
                small = state in ("staged", "checked") and not self._verbose
                return "" if small else f"  {host} {state}" + (f": {detail}" if detail else "")
            case events.Planned(plan):
                return plan_line(plan)
            case events.WaveStarted(number, of, hosts):
                return f"wave {number}/{of}: {', '.join(hosts)}"
            case _:
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


Said = events.Phase | events.Judged | events.Notice | events.Recorded | events.Numbered | events.Settled


def told(event: Said) -> str:
    """The events that are a sentence already, or nothing to be said."""
    match event:
        case events.Phase(name, text):
            return f"{name}: {text}"
        case events.Judged(wave, verdict):
            return f"wave {wave} {verdict.ruling}: {verdict.because}"
        case events.Notice(level, text):
            return f"{level}: {text}"
        case events.Recorded(record, pending=pending):
            return f"ledger: {record} put aside" if pending else ""
        case events.Numbered() | events.Settled():
            return ""
        case _:
            assert_never(event)


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
