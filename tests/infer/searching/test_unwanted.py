"""What is taken off."""

import numpy as np

from infer.searching.unwanted import without


def test_half_the_cosine_with_the_mean_window_is_taken_off() -> None:
    rng = np.random.default_rng(0)
    wanted, unwanted, frames = (rng.normal(size=(n, 5)).astype(np.float32) for n in (3, 2, 9))
    mean = unwanted.astype(np.float64).mean(axis=0)
    scores = frames @ wanted.T - 0.5 * (frames @ mean / np.linalg.norm(mean))[:, None]
    np.testing.assert_allclose(frames @ without(wanted, unwanted).T, scores, atol=1e-5)
    assert without(wanted, None) is wanted
