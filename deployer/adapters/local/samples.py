"""The samples of a deploy, written to `.deploy/runs/<id>/samples.jsonl` while it goes on (see model/recording.py)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from deployer.adapters.local.runs import Runs
from deployer.model import events
from deployer.model.recording import sample_to_json


@dataclass
class Recorder:
    """Gets every event of the deploy; what comes before it has an id is not kept."""

    runs: Runs
    deploy: str = ""
    wave: int = 0

    def __call__(self, event: events.Event) -> None:
        """One line for each sample."""
        if isinstance(event, events.Numbered):
            self.deploy = event.deploy
        elif isinstance(event, events.WaveStarted):
            self.wave = event.number
        elif isinstance(event, events.Settled):
            for sample in event.samples:
                self._write({"phase": "pre", "wave": 0, "sample": sample_to_json(sample)})
        elif isinstance(event, events.Watched):
            self._write({"phase": "post", "wave": self.wave, "sample": sample_to_json(event.sample)})

    def gate(self, wave: int, config: Mapping[str, object]) -> None:
        """What the gate of one wave is made from, plain values; the last one of a wave counts."""
        self._write({"gate": dict(config), "wave": wave})

    def _write(self, body: Mapping[str, object]) -> None:
        if self.deploy:
            self.runs.append_sample(self.deploy, json.dumps(body))
