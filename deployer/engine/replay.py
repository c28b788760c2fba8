"""`deploy show ID --replay`: the recorded samples judged again, by the gate of today."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from pydantic import ValidationError

from deployer.engine.deploy.bake import hand_on
from deployer.engine.deploy.gates import gate_from_json
from deployer.gate import Gate
from deployer.model.errors import InputError
from deployer.model.recording import Recording, read_recording
from deployer.model.verdict import Verdict


@dataclass(frozen=True, slots=True)
class Replayed:
    """One wave. seconds: when the ruling came, since activation."""

    wave: int
    verdict: Verdict
    seconds: float

    def to_json(self) -> dict[str, object]:
        return {"wave": self.wave, "verdict": asdict(self.verdict), "seconds": self.seconds}


def replay(deploy: str, lines: list[str] | None) -> list[Replayed]:
    """Every wave that was judged. lines: what was recorded, None for nothing. Raises InputError when it is nothing
    (usable)."""
    if lines is None:
        raise InputError(
            f"no samples of deploy {deploy} are on this machine",
            hint="they lie where the deploy was run, in .deploy/runs",
        )
    recording = read_recording(lines)
    if not recording.gates:
        raise InputError(f"the samples of deploy {deploy} do not say how they were judged")
    waves = [wave for wave in sorted(recording.gates) if recording.post.get(wave)]
    if not waves:
        gate = taught(recording, min(recording.gates))
        why, ill = gate.suspicion(), "" if gate.busy() else "ill before any change: "
        raise InputError(f"no wave of deploy {deploy} was judged" + (f": {ill}{why}" if why else ""))
    return [judged(recording, wave) for wave in waves]


def taught(recording: Recording, wave: int) -> Gate:
    """The gate of one wave, when it was its turn."""
    try:
        gate = gate_from_json(recording.gates[wave])
    except (KeyError, TypeError, ValueError, ValidationError) as error:
        raise InputError(f"wave {wave}: the recorded gate cannot be made again: {error}") from None
    for sample in recording.pre:
        gate.pre(sample)
    for earlier, before in sorted(recording.gates.items()):
        for sample in recording.post.get(earlier, ()) if earlier < wave else ():
            hand_on(sample, before["canary"], [gate])
    return gate


def judged(recording: Recording, wave: int) -> Replayed:
    """One wave through a fresh gate."""
    gate, seconds = taught(recording, wave), 0.0
    for sample in recording.post.get(wave, ()):
        reading = gate.observe(sample)
        seconds = sample.t
        if reading.state != "continue":
            break
    return Replayed(wave, gate.verdict(), seconds)
