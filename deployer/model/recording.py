"""Every sample of a deploy as a line of JSON and back.

  {"gate": {"canary": [...], "control": [...], "bake": 10.0, "check": {...}}, "wave": 1}   before a wave is judged
  {"phase": "pre", "wave": 0, "sample": {...}}                                             the baseline, once
  {"phase": "post", "wave": 1, "sample": {...}}                                            every tick of a wave

Equal latencies are written once with their number; nothing else is rounded or left out, so the same gate gives the same
verdict again.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from deployer.model.sample import HostSample, Sample
from deployer.model.secret import hide

MOST = 1_000_000  # latencies of one host in one tick


def sample_to_json(sample: Sample) -> dict[str, object]:
    """Plain values; what is absent is left out."""
    hosts = {name: host_to_json(one) if one else None for name, one in sample.hosts.items()}
    body: dict[str, object] = {"t": sample.t, "hosts": hosts}
    if sample.fleet:
        body["fleet"] = {name: list(pair) for name, pair in sample.fleet.items()}
    if sample.reasons:
        body["reasons"] = {name: hide(why) for name, why in sample.reasons.items()}
    if sample.late:
        body["late"] = sample.late
    if sample.starved:
        body["starved"] = sample.starved
    return body


def host_to_json(one: HostSample) -> dict[str, object]:
    """lat as [[milliseconds, how many], ...]."""
    body = {key: value for key, value in asdict(one).items() if value is not None and key != "lat"}
    body["lat"] = [[ms, many] for ms, many in sorted(Counter(one.lat).items())]
    body["required_err"] = {probe: hide(why) for probe, why in one.required_err.items()}
    if one.required_ok is not None:
        body["required_ok"] = sorted(one.required_ok)
    return body


def sample_from_json(body: Mapping[str, Any]) -> Sample:
    """Raises KeyError, TypeError, ValueError for anything else."""
    hosts = {str(name): host_from_json(one) if one is not None else None for name, one in body["hosts"].items()}
    fleet = {str(name): (float(count), float(exposure)) for name, (count, exposure) in body.get("fleet", {}).items()}
    reasons = {str(k): str(v) for k, v in body.get("reasons", {}).items()}
    return Sample(float(body["t"]), hosts, fleet, reasons, float(body.get("late", 0.0)), str(body.get("starved", "")))


def host_from_json(body: Mapping[str, Any]) -> HostSample:
    """The same for one host."""
    known = {key: value for key, value in body.items() if key in HostSample.__dataclass_fields__}
    lat = tuple(float(ms) for ms, many in body.get("lat", ()) for _ in range(min(int(many), MOST)))
    ok = body.get("required_ok")
    return HostSample(**{**known, "lat": lat, "required_ok": None if ok is None else frozenset(ok)})


@dataclass
class Recording:
    """What was recorded of one deploy. gates: wave -> what its gate was made from; post: wave -> its ticks."""

    gates: dict[int, Mapping[str, Any]] = field(default_factory=dict)
    pre: list[Sample] = field(default_factory=list)
    post: dict[int, list[Sample]] = field(default_factory=dict)
    unread: int = 0


def read_recording(lines: list[str]) -> Recording:
    """A line that cannot be read (the last one of a run that was cut off) is counted and left out."""
    found = Recording()
    for line in lines:
        try:
            body = json.loads(line)
            if "gate" in body:
                found.gates[int(body["wave"])] = body["gate"]
            elif body["phase"] == "pre":
                found.pre.append(sample_from_json(body["sample"]))
            else:
                found.post.setdefault(int(body["wave"]), []).append(sample_from_json(body["sample"]))
        except (KeyError, TypeError, ValueError, AttributeError, RecursionError, OverflowError, MemoryError):
            found.unread += 1
    return found
