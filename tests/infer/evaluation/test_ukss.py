"""UKSS by hand, and against its plain definition on invented annotations."""

import math
from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infer.evaluation.baselines import FIGURES
from infer.evaluation.bootstrap import estimates
from infer.evaluation.score_table import figure_tables, score_table
from tests.infer.test_metrics import Ranges, ask, figure, on


def of(scenes_s: Sequence[Ranges], picked_s: Sequence[float]) -> float:
    return figure("UKSS", ask([], [], scenes_s), picked_s, 60.0)


def test_ukss_by_hand() -> None:
    # Scenes of 10 s and 2 s. Three of four picks are in them, two and one.
    scenes = [[(0.0, 6.0), (20.0, 24.0)], [(30.0, 32.0)]]
    picks = [1.0, 21.0, 31.0, 50.0]
    # The second scene is due max(1, floor(3 * 2/12)), the first max(1, floor(3 / 2)): both have it.
    cosine = max(
        (2 * 10 ** (a / 10) + 2 ** (a / 10)) / math.hypot(10 ** (a / 10), 2 ** (a / 10))
        for a in range(11)
    ) / math.sqrt(5)
    assert of(scenes, picks) == pytest.approx((3 / 4 * 1 * cosine) ** (1 / 3))
    # Four picks in the first scene alone: half of the scenes have what they are due.
    assert of(scenes, [1.0, 2.0, 3.0, 4.0]) == pytest.approx(
        (1 * 1 / 2 * 10 / math.hypot(10, 2)) ** (1 / 3)
    )
    assert of(scenes, [25.0, 50.0]) == 0.0
    assert of([[(5.0, 5.0)], [(6.0, 6.0)]], [5.0, 6.0]) == pytest.approx(1.0)
    assert of(scenes, []) == 0.0
    assert math.isnan(figure("UKSS", ask([1.0], [(0, 2)]), [1.0]))


def plain(scenes_s: list[Ranges], picked_s: list[int]) -> float:
    """The definition, pick by pick, with shares that do not round."""
    counts = [sum(any(a <= t <= b for a, b in scene) for t in picked_s) for scene in scenes_s]
    useful = sum(any(a <= t <= b for scene in scenes_s for a, b in scene) for t in picked_s)
    if not useful:
        return 0.0
    lengths = [sum(int(b) - int(a) for a, b in scene) for scene in scenes_s]
    lengths = lengths if any(lengths) else [1] * len(lengths)
    number, total = len(lengths), sum(lengths)
    due = [
        max(1, math.floor(min(Fraction(useful * own, total), Fraction(useful, number))))
        for own in lengths
    ]
    recall = sum(had >= owed for had, owed in zip(counts, due, strict=True)) / number
    best = 0.0
    for tenth in range(11):
        ideal = [own ** (tenth / 10) for own in lengths]
        product = sum(x * y for x, y in zip(ideal, counts, strict=True))
        best = max(best, product / math.hypot(*ideal) / math.hypot(*counts))
    return float((useful / len(picked_s) * recall * best) ** (1 / 3))


seconds = st.integers(0, 40)
segments = st.tuples(seconds, seconds).map(lambda r: (float(min(r)), float(max(r))))
scenes = st.lists(st.lists(segments, min_size=1, max_size=4), min_size=1, max_size=5)


@settings(max_examples=300, deadline=None)
@given(scenes, st.lists(seconds, min_size=1, max_size=16, unique=True).map(sorted))
def test_ukss_is_its_plain_definition(scenes_s: list[Ranges], picked_s: list[int]) -> None:
    assert of(scenes_s, picked_s) == pytest.approx(plain(scenes_s, picked_s), abs=1e-12)


def test_over_questions_it_is_a_geometric_mean_without_a_difference() -> None:
    picked_s = [[1.0, 3.0], [5.0, 6.0], [2.0, 5.0]]
    timed = [
        on(ask([], [], [[(0.0, 2.0)], [(3.0, 4.0)]]))._replace(video=video) for video in "aab"
    ] + [on(ask([1.0]))._replace(video="c")]
    picks = [np.array(times_s) for times_s in [*picked_s, [1.0, 2.0]]]
    table = score_table(timed, figure_tables(timed, {"own": picks}, 4), list(FIGURES), 0)
    own = table.rows["own"]["UKSS"]
    values = [figure("UKSS", timed[0].question, times_s) for times_s in picked_s]
    assert values[1] == 0.0
    logs = [math.log(max(value, 0.01)) for value in values]
    assert own.mean == pytest.approx(math.exp(sum(logs) / 3))
    assert own.questions == 3
    (of_logs,) = estimates(np.array([[log] for log in logs]), ["a", "a", "b"], seed=0)
    assert (own.low, own.high) == pytest.approx((math.exp(of_logs.low), math.exp(of_logs.high)))
    assert {name for name, row in table.rows.items() if "UKSS" in row} == {"own", "uniform"}
    assert all("UKSS" not in row for row in table.minus_uniform.values())
    assert "hit" in table.minus_uniform["own"]
