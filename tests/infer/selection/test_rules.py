"""A rule smooths before it picks, and refuses what has no meaning."""

import numpy as np
import pytest
from hypothesis import given, settings

from index.errors import CueframeError
from infer.selection.registry import BASELINES, STRATEGIES
from infer.selection.rules import Rule, load_rule
from infer.selection.smoothing import smoothed
from infer.selection.strategies import ScoredVideo, load_strategy
from tests.curves import looks


@settings(max_examples=30, deadline=None)
@given(looks())
def test_a_rule_picks_from_the_smoothed_scores(look: tuple[ScoredVideo, int]) -> None:
    on, k = look
    flat = on._replace(scores=smoothed(on.scores, on.time_s, 1.0))
    for name in set(STRATEGIES) - set(BASELINES):
        rows = load_rule(Rule(name, smooth_s=1.0))(on, k)
        np.testing.assert_array_equal(rows, load_strategy(name)(flat, k), name)
        np.testing.assert_array_equal(load_rule(Rule(name))(on, k), load_strategy(name)(on, k))


@pytest.mark.parametrize("smooth_s", [-1.0, 61.0, float("nan"), float("inf")])
def test_seconds_out_of_range_are_refused(smooth_s: float) -> None:
    with pytest.raises(CueframeError, match=r"^--smooth-s is .*; give seconds from 0 to 60$"):
        load_rule(Rule("top", smooth_s))


@pytest.mark.parametrize("name", BASELINES)
def test_baselines_have_no_scores_to_smooth(name: str) -> None:
    with pytest.raises(CueframeError, match=f"changes nothing for --pick {name}"):
        load_rule(Rule(name, 0.5))
