"""Samples on disk and back: the same gate gives the same verdict again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployer.adapters.local import runs as disk
from deployer.adapters.local.runs import Runs
from deployer.adapters.local.samples import Recorder
from deployer.engine.deploy.gates import gate_config
from deployer.engine.deploy.request import Turn
from deployer.engine.replay import replay
from deployer.gate.config import config_to_json
from deployer.gate.sequential import Gate
from deployer.model.errors import InputError
from deployer.model.events import Numbered, Settled, Watched, WaveStarted
from deployer.model.recording import read_recording, sample_from_json, sample_to_json
from deployer.model.sample import HostSample, Sample
from deployer.model.schema.health import HealthCheck
from deployer.model.verdict import Reading

MS = st.floats(0, 1e6)
COUNT = st.none() | st.integers(0, 10**6)
HOSTS = st.builds(
    HostSample, n=st.integers(0, 99), err=st.integers(0, 99), lat=st.lists(MS, max_size=8).map(lambda x: tuple(sorted(x))),
    rehit_n=COUNT, rehit_bad=COUNT, look=COUNT, miss=COUNT, orig=COUNT, orig_s=st.none() | MS,
    required_err=st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=2),
    required_ok=st.none() | st.frozensets(st.text(max_size=5), max_size=3),
)  # fmt: skip
SAMPLES = st.builds(
    Sample,
    t=st.floats(-180, 900),
    hosts=st.dictionaries(st.text(max_size=5), st.none() | HOSTS, max_size=3),
    fleet=st.dictionaries(st.text(max_size=5), st.tuples(MS, MS), max_size=2),
    reasons=st.dictionaries(st.text(max_size=5), st.text(max_size=9), max_size=2),
    late=MS,
    starved=st.text(max_size=9),
)


@given(SAMPLES)
def test_a_sample_survives(sample: Sample) -> None:
    assert sample_from_json(json.loads(json.dumps(sample_to_json(sample)))) == sample


def ticks(bad: bool) -> list[Sample]:
    """web1 fails one request in three when bad; web2 never."""
    good = HostSample(n=30, lat=(5.0,) * 30, rehit_n=5, rehit_bad=0, required_ok=frozenset(("home",)))
    ill = HostSample(n=30, err=10, lat=(5.0,) * 30, rehit_n=5, rehit_bad=0, required_ok=frozenset(("home",)))
    return [Sample(float(t), {"web1": ill if bad else good, "web2": good}) for t in range(40)]


CHECK = HealthCheck.model_validate({"probes": [{"name": "home", "url": "/", "cacheable": "true"}]})


@pytest.mark.parametrize("bad", [False, True])
def test_a_replay_says_what_the_gate_said(tmp_path: Path, bad: bool) -> None:
    runs = Runs(tmp_path)
    recorder = Recorder(runs)
    config = gate_config(CHECK, Turn(("web1",), (), ("web2",), 1.0), 10.0)
    gate, before = Gate(config), [Sample(t - 40, s.hosts) for t, s in enumerate(ticks(False))]
    recorder(Numbered("3-abcd"))
    recorder.gate(1, config_to_json(config))
    recorder(Settled(tuple(before)))
    recorder(WaveStarted(1, 1, ("web1",)))
    for sample in before:
        gate.pre(sample)
    for sample in ticks(bad):
        reading = gate.observe(sample)
        recorder(Watched(sample, reading, 10.0))
        if reading.state != "continue":
            break
    (wave,) = replay("3-abcd", runs.read_samples("3-abcd"))
    assert wave.verdict == gate.verdict()
    assert wave.verdict.ruling == ("regressed" if bad else "healthy")
    assert wave.seconds == reading.seconds


def test_before_there_is_an_id_nothing_is_written(tmp_path: Path) -> None:
    recorder = Recorder(Runs(tmp_path))
    recorder(Settled((Sample(-1.0, {}),)))
    assert not (tmp_path / ".deploy").exists()


def test_a_run_that_was_cut_off_and_one_that_never_was(tmp_path: Path) -> None:
    """Half a line is left out; no samples are an error with a hint."""
    found = read_recording(
        ['{"phase":"pre","wave":0,"sample":{"t":-1.0,"hosts":{}}}', '{"phase":"post","wa', "[]", "1"]
    )
    assert (len(found.pre), found.unread) == (1, 3)
    with pytest.raises(InputError, match="no samples of deploy 9-9999"):
        replay("9-9999", Runs(tmp_path).read_samples("9-9999"))
    runs = Runs(tmp_path)
    runs.append_sample("8-8888", "{}")
    with pytest.raises(InputError, match="do not say how"):
        replay("8-8888", runs.read_samples("8-8888"))
    runs.append_sample("8-8888", '{"gate": {"metrics": 3}, "wave": 1}')
    with pytest.raises(InputError, match="wave 1: the recorded gate cannot be made again"):
        replay("8-8888", runs.read_samples("8-8888"))


def test_a_full_disk_is_one_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The deploy goes on; nothing is tried again."""
    (tmp_path / ".deploy").write_text("in the way")
    runs = Runs(tmp_path)
    runs.append_sample("3-abcd", "{}")
    assert "cannot write" in runs.warning
    monkeypatch.setattr(disk, "SAMPLES_CAP", 100)
    small = Runs(tmp_path / "other")
    recorder = Recorder(small)
    recorder(Numbered("3-abcd"))
    for t in range(50):
        recorder(Watched(Sample(float(t), {}), Reading("continue"), 1.0))
    text = (tmp_path / "other/.deploy/runs/3-abcd/samples.jsonl").read_text()
    assert 0 < len(text) <= 100
    assert "the samples from here on are not recorded" in small.warning
