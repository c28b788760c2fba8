"""`script/faults`: see --help."""

from __future__ import annotations

import argparse
import json
import sys

from tests.faults.fleet import fault_fleet
from tests.faults.injections import FAULTS
from tests.faults.matrix import STEPS, Result, try_cell


def matrix(options: argparse.Namespace) -> list[Result]:
    """The chosen cells, one line each as they end."""
    results = []
    commands = [c for c in STEPS if not options.command or c in options.command]
    with fault_fleet() as fleet:
        for command in commands:
            for fault in [f for f in FAULTS if not options.fault or any(word in f.name for word in options.fault)]:
                for step in [s for s in STEPS[command] if not options.step or s in options.step]:
                    result = try_cell(fleet, fault, command, step)
                    results.append(result)
                    if not result.skipped or not result.skipped.startswith("makes"):
                        sys.stdout.write(f"{json.dumps(result.__dict__)}\n")
                        sys.stdout.flush()
    return results


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    for name in ("--fault", "--step", "--command"):
        parser.add_argument(name, action="append")
    matrix(parser.parse_args())
