"""The bench of --frames auto, on drawn curves."""

import numpy as np
import pytest

from examples.picks.coverage import fixed_coverage, over_splits
from infer.selection.nested import least_distances, rows_within


def drawn(
    videos: int = 24, of_each: int = 3
) -> tuple[list[np.ndarray], list[np.ndarray], list[str]]:
    """Curves of noise with one hill each, where the evidence is; in some videos it is low."""
    rng = np.random.default_rng(0)
    curves, wanted, names = [], [], []
    for video in range(videos):
        height = rng.uniform(0.5, 4)
        for _ in range(of_each):
            frames, at = 40, int(rng.integers(2, 38))
            curve = rng.normal(size=frames)
            curve[at] += height
            curves.append(curve.astype(np.float32))
            wanted.append(np.abs(np.arange(frames) - at) <= 1)
            names.append(f"v{video}")
    return curves, wanted, names


@pytest.mark.parametrize("most_questions", [None, 2])
def test_the_mean_coverage_is_what_is_promised(most_questions: int | None) -> None:
    curves, wanted, videos = drawn()
    for coverage in (0.8, 0.9):
        found = over_splits(curves, wanted, videos, coverage, 12, most_questions=most_questions)
        assert found.coverage >= coverage - 2 * found.error
        assert 1 < found.frames < 40
        assert found.floor > 0.9


def test_fixed_numbers_cover_as_their_sets_do() -> None:
    curves, wanted, videos = drawn()
    shares = fixed_coverage(curves, wanted, videos)
    assert shares == sorted(shares)
    tops = [show[curve.argmax()] for curve, show in zip(curves, wanted, strict=True)]
    assert shares[0] == pytest.approx(np.mean(tops))
    least = [least_distances(c[None], w[None])[0] for c, w in zip(curves, wanted, strict=True)]
    held = [
        (rows_within(c[None], d)[0] & w).any()
        for c, w, d in zip(curves, wanted, least, strict=True)
    ]
    assert all(held)
