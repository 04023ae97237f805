"""First and last rows of draws, against every possible draw and against counting."""

from itertools import product
from math import comb

import numpy as np
import pytest
from hypothesis import assume, given, settings

from infer.evaluation.draws import draws_of
from infer.evaluation.window_draws import Ends, ends_of_draws
from infer.metrics import TimedQuestion
from tests.infer.evaluation.test_baselines import draws, small_cases


def chances(ends: Ends) -> dict[tuple[int, int], float]:
    """All pairs of rows with a chance, written out."""
    table = ends.first_chances.T @ ends.last_chances
    first, last = (range(own.start, own.stop) for own in (ends.first, ends.last))
    found = zip(product(first, last), table.reshape(-1).tolist(), strict=True)
    return {pair: chance for pair, chance in found if chance}


@settings(max_examples=200, deadline=None)
@given(small_cases())
def test_the_chances_of_the_first_and_the_last_row(case: tuple[TimedQuestion, int]) -> None:
    one, k = case
    own = draws_of(one, k)
    assume(own.picks > 1)
    wanted: dict[tuple[int, int], float] = {}
    for rows, chance in draws(one, k).items():
        wanted[rows[0], rows[-1]] = wanted.get((rows[0], rows[-1]), 0.0) + float(chance)
    found = [chances(ends) for ends in own.ends]
    assert sum(map(len, found)) == len(wanted)  # each pair stands once
    together = {pair: chance for some in found for pair, chance in some.items()}
    assert together == pytest.approx(wanted, rel=1e-12)


@pytest.mark.parametrize(("rows", "picks"), [(130, 2), (300, 4), (300, 40), (257, 257)])
def test_draws_of_many_rows_of_one_segment(rows: int, picks: int) -> None:
    found: dict[tuple[int, int], float] = {}
    for ends in ends_of_draws([rows], picks):
        assert not found.keys() & chances(ends).keys()
        found |= chances(ends)
    wanted = {
        (a, b): comb(b - a - 1, picks - 2) / comb(rows, picks)
        for a in range(rows)
        for b in range(a + picks - 1, rows)
    }
    # What is left out is less likely than 1e-25.
    likely = {pair for pair, chance in wanted.items() if chance > 1e-20}
    assert {pair: found[pair] for pair in likely} == pytest.approx(
        {pair: wanted[pair] for pair in likely}, rel=1e-10
    )
    assert sum(found.values()) == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize(
    ("sizes", "picks"),
    [((7000, 7000, 7000), 4), ((2, 15_000, 3), 64), ((900, 1, 900), 700), ((9000, 9000), 3600)],
)
def test_the_chances_of_long_videos_have_the_sum_1(sizes: tuple[int, ...], picks: int) -> None:
    (ends,) = ends_of_draws(sizes, picks)
    assert (ends.first, ends.last) == (slice(0, sizes[0]), slice(sum(sizes[:-1]), sum(sizes)))
    total = ends.first_chances.sum(axis=1) @ ends.last_chances.sum(axis=1)
    assert total == pytest.approx(1, abs=1e-12)
    assert np.isfinite(ends.first_chances).all()
