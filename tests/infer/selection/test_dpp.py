"""`dpp` against determinants reckoned plainly."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infer.selection.dpp import RELEVANCE, pick_dpp


def kernel(vectors: np.ndarray) -> np.ndarray:
    """The mean of five Gaussians of the distances, tiles side by side."""
    tiles = vectors.shape[1]
    flat = vectors.reshape(len(vectors), -1)
    squared = ((flat[:, None] - flat[None]) ** 2).sum(axis=2) / tiles
    widths = (2.0, 1.0, 0.5, 0.25, 0.125)
    mean: np.ndarray = np.mean([np.exp(-squared / (2 * width)) for width in widths], axis=0)
    return mean


def plain_dpp(scores: np.ndarray, vectors: np.ndarray, k: int) -> list[int]:
    relevance = RELEVANCE * (scores - scores.min()) / max(np.ptp(scores), 1e-12)
    alike = kernel(vectors)

    def worth(rows: list[int]) -> float:
        return float(relevance[rows].sum() + np.linalg.slogdet(alike[np.ix_(rows, rows)])[1])

    picked: list[int] = []
    while len(picked) < min(k, len(scores)):
        rest = [row for row in range(len(scores)) if row not in picked]
        picked.append(max(rest, key=lambda row: worth([*picked, row])))
    return sorted(picked)


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 30), st.integers(1, 3), st.integers(1, 6), st.integers(0, 10**6))
def test_dpp_takes_what_adds_most(frames: int, tiles: int, k: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    vectors = rng.standard_normal((frames, tiles, 16))
    vectors /= np.linalg.norm(vectors, axis=2, keepdims=True)
    scores = rng.standard_normal((3, frames)).astype(np.float32)
    assert pick_dpp(scores, vectors, k).tolist() == [plain_dpp(one, vectors, k) for one in scores]


def test_equal_frames_are_taken_last() -> None:
    vectors = np.eye(5)[[0, 0, 0, 1, 2]][:, None]
    scores = np.array([[1, 1, 1, 0.9, 0.8]], np.float32)
    assert pick_dpp(scores, vectors, 3).tolist() == [[0, 3, 4]]
    assert pick_dpp(scores, vectors, 4).tolist() == [[0, 1, 3, 4]]


def test_more_picks_than_directions_are_still_different_frames() -> None:
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((40, 3, 2)).astype(np.float32)
    vectors[:, 1:] = vectors[0, 1:]
    vectors /= np.linalg.norm(vectors, axis=2, keepdims=True)
    scores = rng.standard_normal((4, 40)).astype(np.float32)
    rows = pick_dpp(scores, vectors, 40)
    assert rows.tolist() == [list(range(40))] * 4
    few = pick_dpp(scores, vectors, 25)
    assert (np.diff(few, axis=1) > 0).all()


def test_a_block_of_questions_is_picked_for_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    vectors, scores = rng.standard_normal((40, 1, 8)), rng.standard_normal((9, 40))
    vectors /= np.linalg.norm(vectors, axis=2, keepdims=True)
    whole = pick_dpp(scores, vectors, 4)
    monkeypatch.setattr("infer.selection.dpp._AT_ONCE", 2 * 40 * 4)
    np.testing.assert_array_equal(pick_dpp(scores, vectors, 4), whole)
