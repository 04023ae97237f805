"""Draws are reckoned once for all questions about the same rows."""

import math

import numpy as np
import pytest

from infer.evaluation.draws import by_rows, draws_of, with_draws
from tests.infer.evaluation.test_baselines import queries
from tests.infer.test_metrics import ask


def test_segments_picks_and_what_is_left() -> None:
    # Quarters of 5 s: two rows, none, three, one; one spare pick is drawn from three rows.
    one = queries([0, 1, 10, 11, 12, 19], 20.0)
    draws = draws_of(one, 4)
    assert draws.segment.tolist() == [0, 0, 2, 2, 2, 3]
    assert draws.starts.tolist() == [0, 2, 5]
    assert draws.sizes.tolist() == [2, 3, 1]
    assert (draws.picks, draws.spare, draws.left) == (4, 1, 3)
    assert draws_of(one, 10).picks == 6


def test_questions_about_the_same_rows_share_their_draws() -> None:
    here = queries(np.arange(20) / 2, 10.0)
    other = queries(np.arange(20) / 2, 10.0)  # equal, but not the same
    part = here._replace(question=ask().model_copy(update={"span_s": (0.0, 9.0)}))
    timed = [here, other, here._replace(question=ask([3.0])), part, here]
    assert list(by_rows(timed, [4, 4, 4, 4, 2])) == [([0, 2], 4), ([1], 4), ([3], 4), ([4], 2)]
    found = list(with_draws(timed, [4, 4, 4, 4, 2]))
    assert [n for n, *_ in found] == [0, 2, 1, 3, 4]
    assert all(one is timed[n] for n, one, _ in found)
    assert found[0][2] is found[1][2]
    assert found[-1][2].k == 2
    assert found[0][2].ends is found[1][2].ends
    with pytest.raises(ValueError, match="shorter"):
        list(by_rows(timed, [4]))


def test_a_question_without_rows_has_no_picks() -> None:
    nothing = np.empty(0)
    lost = queries(nothing, math.nan)
    ((_, _, draws),) = with_draws([lost], [4])
    assert draws.picks == 0
