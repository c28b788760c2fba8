"""The e-variable is exact: its expectation is 1 at most for every allowed state, on a grid that covers them."""

from __future__ import annotations

import math
from itertools import pairwise, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployer.gate.stats import intervals
from deployer.gate.stats.eprocess import Odds, Proof
from deployer.gate.stats.evalue import Line, Row, harm, over, safety

SIZES = [(1, 1), (5, 5), (3, 17), (20, 60), (20, 1)]
LEVELS = (1e-5, 1e-3, 0.01, 0.05, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99)
SHARES = [Line(1.5, 0.002), Line(1.2, 0.005), Line(1.0, 0.0), Line(1.0, 0.05), Line(0.95, 0.05), Line(2.0, 0.02)]
RATES = [Line(1.25, 0.0), Line(1.25, 0.5), Line(2.0, 0.025)]


def moment(n: int, p: float, per_bad: float) -> float:
    """E[exp(per_bad * X)] of a binomial X."""
    return math.fsum(math.comb(n, x) * p**x * (1 - p) ** (n - x) * math.exp(per_bad * x) for x in range(n + 1))


def expectation(row: Row, n_c: int, n_k: int, c: float, k: float) -> float:
    """E[e] of a row for true shares c and k."""
    return math.exp(row[0]) * moment(n_c, c, row[1]) * moment(n_k, k, row[2])


@pytest.mark.parametrize("line", SHARES)
def test_shares_never_expect_more_than_one_below_the_line(line: Line) -> None:
    worst = max(
        expectation(row, n_c, n_k, min(1.0, line.at(k)) * below, k)
        for (n_c, n_k), k1, k, below in product(SIZES, (1e-4, 0.01, 0.05, 0.5), LEVELS, (1.0, 0.5))
        if line.at(k) <= 1.0
        for row in harm("share", n_c, n_k, k1, line)
    )
    assert 0.9 < worst <= 1.0 + 1e-9


@pytest.mark.parametrize("line", SHARES)
def test_proof_of_health_never_expects_more_than_one_above_the_line(line: Line) -> None:
    found = [
        expectation(row, n_c, n_k, c, k)
        for (n_c, n_k), k1, part, k in product(SIZES, (1e-4, 0.01, 0.05, 0.3), (1.0, 0.3), LEVELS)
        if (row := safety("share", n_c, n_k, k1 * part, k1, line)) and line.at(k) <= 1.0
        for c in (line.at(k), min(1.0, 1.5 * line.at(k)), 1.0)
    ]
    assert max(found) <= 1.0 + 1e-9


@pytest.mark.parametrize("line", RATES)
def test_rates_never_expect_more_than_one(line: Line) -> None:
    """Poisson: ln E[e] is known in closed form."""
    for (n_c, n_k), k1, k in product(SIZES, (1e-4, 0.05, 1.0, 10.0), (*LEVELS, 3.0, 40.0)):
        for base, per_c, per_k in harm("rate", n_c, n_k, k1, line):
            for c in (line.at(k), 0.5 * line.at(k)):
                assert base + n_c * c * math.expm1(per_c) + n_k * k * math.expm1(per_k) <= 1e-8
        row = safety("rate", n_c, n_k, k1, k1, line)
        for c in (line.at(k), 2.0 * line.at(k)) if row else ():
            assert row is not None
            assert row[0] + n_c * c * math.expm1(row[1]) + n_k * k * math.expm1(row[2]) <= 1e-8


@pytest.mark.parametrize("bound", [0.0, 0.001, 0.02, 0.5])
def test_one_sample_against_a_ceiling(bound: float) -> None:
    for row, n in product(over("share", 20, bound), (bound, bound / 2)):
        assert expectation(row, 20, 0, n, 0.0) <= 1.0 + 1e-9


def test_a_line_without_room_above_it_is_never_crossed() -> None:
    """GATE.md: forgetting this gave false rollbacks under drift."""
    assert harm("share", 20, 60, 0.7, Line(1.5, 0.0)) == ()
    assert over("share", 20, 0.995) == ()
    assert safety("share", 20, 60, 0.3, 0.3, Line(1.0, 0.0)) is None


def test_no_second_multiplies_the_odds_by_more_than_e() -> None:
    """So the quickest ruling takes ln(2000) seconds and a hiccup of 3 s none."""
    odds, table = Odds(600.0), harm("share", 20, 60, 0.001, Line(1.5, 0.002))
    values = [odds.value]
    for _ in range(10):
        odds.update(table, 20, 0, 1.0, 1.0)
        values.append(odds.value)
    assert all(b <= math.e * a for a, b in pairwise(values))
    assert values[3] < 15
    assert values[-1] > 1000


def test_late_harm_is_not_drowned_by_good_data() -> None:
    """Half of the mass starts later."""
    odds, table = Odds(600.0), harm("share", 20, 60, 0.001, Line(1.5, 0.002))
    for _ in range(300):
        odds.update(table, 0, 0, 1.0, 1.0)
    assert odds.value < 1.0
    for _ in range(20):
        odds.update(table, 20, 0, 1.0, 1.0)
    assert odds.value >= 1000


def test_harm_eats_up_the_proof_of_health() -> None:
    """It holds after enough good data and no longer after bad."""
    proof, row = Proof(0.05), safety("share", 20, 60, 0.001, 0.001, Line(2.0, 0.02))
    for _ in range(200):
        proof.update(row, 0, 0, 1.0)
    assert proof.holds
    for _ in range(10):
        proof.update(row, 20, 0, 1.0)
    assert not proof.holds


@given(st.integers(1, 400), st.integers(0, 400))
def test_intervals_hold_what_was_observed(n: int, bad: int) -> None:
    """And are exact: at their ends the observation is just 2.5 % likely."""
    bad = min(bad, n)
    low, high = intervals.share(n, bad)
    assert low <= bad / n <= high
    if bad:
        exact = math.fsum(math.comb(n, x) * low**x * (1 - low) ** (n - x) for x in range(bad, n + 1))
        assert exact == pytest.approx(0.025, rel=1e-4)
    low, high = intervals.rate(n, bad)
    assert low <= bad / n <= high


def test_intervals_against_published_values() -> None:
    """Clopper-Pearson and Garwood as in R's binom.test and poisson.test."""
    assert intervals.share(20, 3) == pytest.approx((0.0320709, 0.3789268), abs=1e-6)
    assert intervals.share(3000, 9) == pytest.approx((0.0013727, 0.0056873), abs=1e-6)
    assert intervals.rate(1.0, 10) == pytest.approx((4.795389, 18.390356), abs=1e-5)
    assert intervals.quantile_interval(list(range(100)), 0.5) == (39, 61)
