"""Candidates of a video of which only the length is known."""

import math

import numpy as np
import pytest

from infer.evaluation.baselines import FIGURES
from infer.evaluation.draws import draws_of
from infer.evaluation.score_table import uniform_picks
from infer.picks.timeline import MOST_CANDIDATES, candidates, without_index
from infer.selection.strategies import segments
from tests.infer.picks.asked import asked

CASES = [(10.0, 1), (10.0, 4), (10.0, 64), (190.16, 7), (3573.96, 64), (0.04, 4), (1e7, 3)]


@pytest.mark.parametrize(("duration_s", "k"), CASES)
def test_every_segment_has_as_many_candidates_and_its_middle(duration_s: float, k: int) -> None:
    times_s = candidates(duration_s, k)
    counts = np.bincount(segments(times_s, duration_s, k))
    assert len(counts) == k
    assert (counts == counts[0]).all()
    assert counts[0] % 2 == 1
    assert counts[0] >= 3
    if len(times_s) < MOST_CANDIDATES:
        assert np.diff(times_s).max() <= 0.5
    assert len(times_s) <= MOST_CANDIDATES + 2 * k
    (one,) = [without_index(asked({"duration_s": duration_s})[0], k)]
    middles = (np.arange(k) + 0.5) * duration_s / k
    assert uniform_picks([one], k)[0] == pytest.approx(middles)


def test_random_hits_a_range_by_its_share_of_the_time() -> None:
    # A second of 10 s, whole seconds as labels are: one pick in a segment of 10, 5 or 2.5 s.
    (question,) = asked({"duration_s": 10.0, "support_ranges": [[6, 7]]})
    for k, share in ((1, 0.1), (2, 0.2), (4, 0.4)):
        one = without_index(question, k)
        random, oracle = FIGURES["hit"].random_and_oracle(one, draws_of(one, k))
        assert random == pytest.approx(share, rel=0.15)
        assert oracle == 1.0


def test_a_part_of_the_video() -> None:
    for record, length_s in (
        ({"span_s": [20, 30]}, 10.0),
        ({"span_s": [20, 30], "duration_s": 24.0}, 4.0),
        ({"span_s": [20, 30], "duration_s": 100.0}, 10.0),
    ):
        one = without_index(asked(record)[0], 2)
        assert (one.start_s, one.duration_s) == (20.0, length_s)
        assert one.time_s == pytest.approx(20 + candidates(length_s, 2))
        middles = [20 + length_s / 4, 20 + 3 * length_s / 4]
        assert uniform_picks([one], 2)[0] == pytest.approx(middles)
    beyond = without_index(asked({"span_s": [20, 30], "duration_s": 20.0})[0], 2)
    assert len(beyond.time_s) == 0
    assert math.isnan(beyond.duration_s)


def test_without_a_duration_there_are_no_candidates() -> None:
    one = without_index(asked({"duration": "long"})[0], 4)
    assert len(one.time_s) == len(one.end_s) == 0
    assert math.isnan(one.duration_s)
    assert one.video == "videos/a.mp4"


def test_questions_about_the_same_part_share_its_candidates() -> None:
    record = {"duration_s": 100.0, "span_s": [20, 30]}
    one, same, longer = asked(record, record, record | {"span_s": [20, 40]})
    assert without_index(one, 4).time_s is without_index(same, 4).time_s
    assert without_index(one, 4).time_s is not without_index(longer, 4).time_s
    assert without_index(one, 4).time_s is not without_index(one, 2).time_s
