"""Curves of several encoders as one: by hand, and every strategy on them."""

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from index.errors import CueframeError
from infer.selection.joined_encoders import joined, standardised
from infer.selection.parts import parts_asked
from infer.selection.registry import BASELINES, STRATEGIES
from infer.selection.rules import Rule, load_rule
from infer.selection.smoothing import smoothed
from infer.selection.strategies import ScoredVideo
from tests.curves import looks


def by_hand(curves: list[np.ndarray]) -> np.ndarray:
    """The sum of the standardised curves (F,) of one question."""
    total = np.zeros(len(curves[0]))
    for curve in curves:
        if len(set(curve.tolist())) > 1:
            exact = curve.astype(np.float64)
            total += (exact - exact.mean()) / exact.std()
    return total


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 4), st.integers(1, 60), st.integers(1, 3), st.integers(0, 999))
def test_the_sum_of_standardised_curves(q: int, f: int, encoders: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    scores = [rng.normal(3, 10.0**-n, (q, f)).astype(np.float32) for n in range(encoders)]
    scores[-1][0] = 0.25  # says nothing
    first, *others = scores
    together = joined(first, others)
    if not others:
        assert together is first
        return
    wanted = [by_hand([one[n] for one in scores]) for n in range(q)]
    np.testing.assert_allclose(together, wanted, atol=1e-5)
    # A question's curve does not hang on the others', nor on how the arrays lie in memory.
    for n in range(q):
        alone = joined(first[n : n + 1], [one[n : n + 1] for one in others])
        np.testing.assert_array_equal(together[n : n + 1], alone)
    turned = joined(np.asfortranarray(first), [np.asfortranarray(one) for one in others])
    np.testing.assert_array_equal(together, turned)


def test_equal_frames_tie_and_an_encoder_alone_decides_where_the_others_say_nothing() -> None:
    one = np.array([[0.1, 0.3, 0.1, 0.3]], np.float32)
    assert (standardised(one) == [[-1, 1, -1, 1]]).all()
    assert (joined(np.full((1, 4), 0.7, np.float32), [one]) == [[-1, 1, -1, 1]]).all()


@settings(max_examples=40, deadline=None)
@given(looks(), st.data())
def test_every_strategy_keeps_its_promises_on_parts(
    case: tuple[ScoredVideo, int], data: st.DataObject
) -> None:
    video, k = case
    rng = np.random.default_rng(data.draw(st.integers(0, 999)))
    others = [rng.standard_normal(video.scores.shape).astype(np.float32) for _ in range(2)]
    video = video._replace(others=others)
    end_s = float(video.time_s[-1])
    spans: Any = st.sampled_from([None, (0.0, end_s / 2), (end_s / 3, end_s)])
    asked_s = [data.draw(spans) for _ in video.scores]
    name = data.draw(st.sampled_from(sorted(STRATEGIES)))
    smooth_s = 0.0 if name in BASELINES else data.draw(st.sampled_from([0.0, 0.6]))
    choose, plain = load_rule(Rule(name, smooth_s)), load_rule(Rule(name))
    for asked, part in parts_asked(video, asked_s):
        if isinstance(part, CueframeError):
            continue
        own = part.video
        rows = choose(own, k)
        assert rows.shape == (len(asked), min(k, len(own.time_s)))
        assert (np.diff(rows, axis=1) > 0).all()
        np.testing.assert_array_equal(rows, choose(own, k))
        for place, q in enumerate(asked):
            inside = slice(part.first_row, part.first_row + len(own.time_s))
            np.testing.assert_array_equal(own.scores[place], video.scores[q, inside])
            curve = joined(own.scores[[place]], [one[[q], inside] for one in others])
            if smooth_s:
                curve = smoothed(curve, own.time_s, smooth_s)
            alone = own._replace(scores=curve, others=(), seeds=own.seeds[[place]])
            np.testing.assert_array_equal(rows[[place]], plain(alone, k))
