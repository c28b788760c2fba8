"""About how long a push takes: what is known of the baseline, of each wave and of its proof, added up."""

from __future__ import annotations

import pytest

from deployer.engine.deploy.bake import window
from deployer.gate.config import bakes, warm_up
from deployer.model.forecast import Forecast
from deployer.wiring.takes import about, takes, told

SLOW = Forecast(5.0, 20.0, {"error_rate": 31.0}, {"error_rate": 8.0})
NEVER = float("inf")
WARM = (False, False, False)


def test_a_proof_that_is_longer_than_the_bake_counts() -> None:
    """Three waves of 5 s with 5 visitors a second took 111 s behind a busy machine and 180 s behind a very busy one; 0.4 min were said."""
    assert told(5.0, WARM, SLOW, 1.0) == (
        "about 50 to 70 s\nWhere visitors decide: about 2 to 3 min at 5/s a host, about 8 to 9 min at 1/s"
    )
    assert told(5.0, WARM, SLOW, 0.0) == "about 50 to 70 s"
    assert told(600.0, WARM, SLOW, 1.0).startswith("about 6 to 33 min\nWhere visitors decide: about 6 to 33 min at 5/s")
    assert told(5.0, WARM, Forecast(), 1.0) == "about 30 to 40 s"


@pytest.mark.parametrize("bake", [5.0, 120.0, 600.0])
@pytest.mark.parametrize("proof", [0.0, 31.0, NEVER])
def test_nothing_known_is_left_out(bake: float, proof: float) -> None:
    """The baseline, and what each wave is watched at the least; a wave ends at its longest."""
    least, most = takes(bake, WARM, proof)
    assert window(bake) + 3 * bakes(bake)[0] < least <= most
    assert most < window(bake) + 3 * max(bakes(bake)[1], bake) + 60
    assert takes(bake, (True, True, True), proof)[0] > least + 3 * warm_up() - 1


@pytest.mark.parametrize(
    ("least", "most", "said"),
    [
        (38.0, 109.0, "about 40 to 110 s"),
        (44.0, 48.0, "about 40 to 50 s"),
        (20.0, 20.0, "about 20 s"),
        (1.0, 2.0, "about 10 s"),
        (110.0, 235.0, "about 2 to 4 min"),
        (540.0, 540.0, "about 9 min"),
    ],
)
def test_it_is_said_in_few_figures(least: float, most: float, said: str) -> None:
    assert about(least, most) == said
