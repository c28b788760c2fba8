"""The readers of parsers.py, fed by atheris: an input that reaches new branches of a reader is kept and grown.

  script/fuzz guided [RUNS] [READER]

Each reader has a process of its own, because libFuzzer ends the one that it runs in. A crash prints the traceback and
keeps the input. Readers of something else than text or bytes are left to hypothesis.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

from hypothesis.errors import NonInteractiveExampleWarning

KNOWN = 60  # inputs of the strategy that it begins with
LONGEST = 4096  # bytes of an input


def guided(name: str, runs: int) -> None:
    """Feed one reader; ends the process."""
    import atheris

    with atheris.instrument_imports(include=["deployer"]):
        from deployer.adapters.ssh import config as ssh_config
        from tests.fuzz.parsers import PARSERS

    ssh_config.ask_ssh = lambda *_: {}
    parser = next(one for one in PARSERS if one.name == name)
    warnings.simplefilter("ignore", NonInteractiveExampleWarning)
    examples = [parser.inputs.example() for _ in range(KNOWN)]
    binary = isinstance(examples[0], bytes)
    if not all(isinstance(example, str | bytes) for example in examples):
        sys.exit("no text")

    def feed(data: bytes) -> None:
        try:
            parser.feed(data if binary else data.decode("utf-8", "replace"))
        except parser.raises:
            return

    with tempfile.TemporaryDirectory(prefix="fuzz-") as corpus:
        for number, example in enumerate(examples):
            raw = example if isinstance(example, bytes) else example.encode("utf-8", "replace")
            (Path(corpus) / str(number)).write_bytes(raw)
        atheris.Setup(["guided", f"-runs={runs}", f"-max_len={LONGEST}", "-print_final_stats=1", corpus], feed)
        atheris.Fuzz()


def main() -> int:
    """Every reader (or those whose name holds READER), one after the other; the number that failed."""
    from tests.fuzz.parsers import PARSERS

    runs, wanted = int(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else ""
    failed = 0
    for parser in PARSERS:
        if wanted not in parser.name:
            continue
        words = [sys.executable, "-m", "tests.fuzz.guided", "--one", parser.name, str(runs)]
        done = subprocess.run(words, capture_output=True, text=True, errors="replace", check=False)
        skipped = done.stderr.rstrip().endswith("no text")  # after atheris has said what it looks at
        failed += done.returncode != 0 and not skipped
        sys.stdout.write(f"{parser.name:<20}{'left to hypothesis' if skipped else coverage(done.stderr)}\n")
        if done.returncode and not skipped:
            sys.stdout.write(f"{done.stdout[-3000:]}\n{done.stderr[-2000:]}\n")
        sys.stdout.flush()
    return failed


def coverage(said: str) -> str:
    """`10000 runs, 312 branches at first, 455 in the end` out of libFuzzer's lines."""
    seen = [line.split("cov: ")[1].split()[0] for line in said.splitlines() if "cov: " in line]
    runs = [line.split(":")[-1].strip() for line in said.splitlines() if "number_of_executed_units" in line]
    return f"{runs[-1] if runs else 'few'} runs, branches: {seen[0] if seen else '?'} at first, {seen[-1] if seen else '?'} in the end"


if __name__ == "__main__":
    if sys.argv[1] == "--one":
        guided(sys.argv[2], int(sys.argv[3]))
    sys.exit(min(1, main()))
