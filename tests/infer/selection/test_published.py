"""Each published selector by hand, then against a plain reading of its docstring."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings

from infer.selection.published import filled_up, pick_aks, pick_bolt, pick_mmr, stretched
from infer.selection.strategies import ScoredVideo
from tests.curves import Array, looks

X, Y, Z, NO = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0), (0.0, 0.0, 0.0)


def plain_stretched(scores: Sequence[float]) -> list[float]:
    low, high = min(scores), max(scores)
    return [(s - low) / (high - low) if high > low else 0.0 for s in scores]


def plain_mmr(scores: list[float], vectors: Array, k: int) -> list[int]:
    relevance = plain_stretched(scores)
    likeness: dict[int, list[float]] = {}  # to each frame taken
    while len(likeness) < min(k, len(scores)):
        best, best_worth = -1, 0.0
        for row in sorted({*range(len(scores))} - {*likeness}):
            like = max((to[row] for to in likeness.values()), default=0.0)
            worth = 0.5 * relevance[row] - 0.5 * like
            if best < 0 or worth > best_worth:
                best, best_worth = row, worth
        flat = vectors.reshape(len(vectors), -1).astype(np.float64)
        cosines = flat @ flat[best] / vectors.shape[1]
        likeness[best] = plain_stretched(cosines.astype(np.float32).tolist())
    return sorted(likeness)


def plain_aks(relevance: npt.NDArray[np.float64], share: int, first: int, depth: int) -> list[int]:
    best = sorted(range(len(relevance)), key=lambda row: (-relevance[row], row))[:share]
    peak = np.mean(relevance[best]) - np.mean(relevance)
    if share == 1 or depth == 5 or peak > 0.8:
        return sorted(first + row for row in best)
    middle, half = len(relevance) // 2, share // 2
    return [
        *plain_aks(relevance[:middle], half, first, depth + 1),
        *plain_aks(relevance[middle:], share - half, first + middle, depth + 1),
    ]


def sampled(weights: list[float], shares: list[float]) -> set[int]:
    whole = float(np.sum(weights))
    reached = np.cumsum([weight / whole for weight in weights]).tolist()
    last = len(weights) - 1
    return {next((n for n, sum_ in enumerate(reached) if sum_ >= u), last) for u in shares}


def plain_bolt(scores: list[float], k: int) -> list[int]:
    weights = [s * s * s for s in plain_stretched(scores)]
    if not any(weights):
        weights = [1.0] * len(scores)
    picks = min(k, len(scores))
    drawn = sampled(weights, [(i + 0.5) / picks for i in range(picks)])
    if k >= 4 and len(theirs := sampled(weights, np.linspace(1 / k, 1 - 1 / k, k).tolist())) == k:
        drawn = theirs
    rest = sorted({*range(len(scores))} - drawn, key=lambda row: (-scores[row], row))
    return sorted([*drawn, *rest][:picks])


def mmr(scores: Sequence[float], vectors: Sequence[Sequence[float]], k: int) -> list[int]:
    batch = np.array([scores], np.float32)
    rows: list[int] = pick_mmr(batch, np.array(vectors, np.float32)[:, None], k)[0].tolist()
    return rows


def aks(scores: Sequence[float], k: int) -> list[int]:
    rows: list[int] = pick_aks(np.array([scores], np.float32), k)[0].tolist()
    return rows


def bolt(scores: Sequence[float], k: int) -> list[int]:
    rows: list[int] = pick_bolt(np.array([scores], np.float32), k)[0].tolist()
    return rows


def test_scores_are_stretched_question_by_question() -> None:
    scores = np.array([[0.2, 0.3, 0.25], [-1, 1, 0], [0.5, 0.5, 0.5]], np.float32)
    expected = np.array([[0, 1, 0.5], [0, 1, 0.5], [0, 0, 0]])
    np.testing.assert_allclose(stretched(scores), expected, atol=1e-6)
    assert scores[0, 0] == np.float32(0.2)  # a copy is stretched


def test_taken_rows_stay_and_the_best_others_join_them() -> None:
    taken = np.array([[0, 0, 1, 0, 0], [0, 0, 0, 0, 0]], np.bool_)
    scores = np.array([[1, 5, 0, 5, 2], [-np.inf, 3, -np.inf, 1, 1]])
    assert filled_up(taken, scores, 2).tolist() == [[1, 2], [1, 3]]
    assert filled_up(taken, scores, 4).tolist() == [[1, 2, 3, 4], [0, 1, 3, 4]]


def test_mmr_passes_over_what_looks_like_a_frame_taken() -> None:
    # After row 0, row 1 is worth ½·0.9 − ½·1 and row 2 ½·0.5 − 0.
    scores = [0.30, 0.29, 0.25, 0.20]
    assert mmr(scores, [X, X, Y, Z], 1) == [0]
    assert mmr(scores, [X, X, Y, Z], 2) == [0, 2]
    assert mmr(scores, [X, X, Y, Z], 3) == [0, 2, 3]
    assert mmr(scores, [X, X, Y, Z], 9) == [0, 1, 2, 3]


def test_mmr_stretches_likeness_too() -> None:
    # Cosines with row 0 are 1, 0.98 and 0.96: were they not stretched, row 1 would be taken.
    vectors = [(1.0, 0.0), (0.98, 0.199), (0.96, 0.28)]
    assert mmr([0.3, 0.25, 0.22], vectors, 2) == [0, 2]


def test_mmr_on_flat_scores_takes_what_looks_unlike() -> None:
    assert mmr([0.2] * 5, [X, X, Y, Y, Z], 3) == [0, 2, 4]


@pytest.mark.parametrize("same", [X, NO])
def test_mmr_where_all_frames_look_alike_takes_the_best(same: Sequence[float]) -> None:
    assert mmr([1, 5, 2, 5, 4], [same] * 5, 3) == [1, 3, 4]


def test_aks_takes_the_best_of_a_stretch_where_they_stand_out() -> None:
    # The two best are 1 and the mean of all is 2/16, then 4/16.
    assert aks([0] * 3 + [1] * 2 + [0] * 11, 2) == [3, 4]
    assert aks([0] * 3 + [1] * 4 + [0] * 9, 2) == [3, 8]
    assert aks([1] * 2 + [0] * 8, 2) == [0, 5]  # 1 − 2/10 is not more than 0.8


def test_aks_judges_each_half_by_itself() -> None:
    # Of all 32 the four best have a mean of 1, above 5/32 by more than 0.8; with a sixth row of
    # 1 and three of 0.5 by less, and then the first half's two stand out and the second's do not.
    first = [0] * 7 + [1, 1] + [0] * 7
    assert aks(first + [1, 1, 1] + [0] * 13, 4) == [7, 8, 16, 17]
    assert aks(first + [1, 1, 1, 1, 0.5, 0.5, 0.5, 0, 0.5] + [0] * 7, 4) == [7, 8, 16, 24]


def test_aks_takes_four_of_flat_scores_where_the_published_code_takes_none() -> None:
    assert aks([0.3] * 8, 4) == [0, 2, 4, 6]


def test_aks_gives_the_odd_frame_to_the_later_half() -> None:
    assert aks([0] * 7, 3) == [0, 3, 5]


def test_aks_halves_five_times_at_most() -> None:
    assert aks([0] * 640, 64) == sorted([*range(0, 640, 20), *range(1, 640, 20)])


def test_bolt_takes_frames_at_equal_steps_of_the_sum() -> None:
    assert bolt([0.3] * 8, 4) == [1, 3, 4, 5]  # of flat scores, evenly from ¼ to ¾ of the sum
    assert bolt([0] * 10 + [1] * 8, 4) == [11, 13, 14, 15]
    assert bolt([0.3] * 8, 3) == [1, 3, 6]  # below K = 4 from ⅙ to ⅚
    # Stretched and cubed 1 and ⅛: 8 of the 9 parts are in the first half. The grid of the published
    # code has row 7 twice, at 0.79 and at 8/9 of the sum.
    assert bolt([2] * 8 + [1] * 8 + [0], 9) == [*range(8), 11]


def test_bolt_gives_the_places_of_a_frame_drawn_twice_to_the_best_others() -> None:
    # Published code gives the same frame twice for any scores at K = 2.
    assert bolt([0, 1, 9, 1, 0], 2) == [1, 2]
    assert bolt([0, 0.1, 0.2, 0.3, 9], 3) == [2, 3, 4]
    assert bolt([0, 5], 1) == [1]


@settings(max_examples=100, deadline=None)
@given(looks())
def test_mmr_compares_tiles_at_the_same_place(look: tuple[ScoredVideo, int]) -> None:
    on, k = look
    if (np.linalg.norm(on.vectors, axis=2) == 0).any():
        return
    frames, tiles, width = on.vectors.shape
    # Unit vectors whose product is the mean cosine, as frames of one tile.
    joined = on.vectors.astype(np.float64).reshape(frames, 1, tiles * width) / np.sqrt(tiles)
    by_loops = np.array(
        [[np.mean([a[t] @ b[t] for t in range(tiles)]) for b in on.vectors] for a in on.vectors[:2]]
    )
    np.testing.assert_allclose(joined[:2, 0] @ joined[:, 0].T, by_loops, atol=1e-5)
    one = pick_mmr(on.scores, joined, k)
    assert one.shape == (len(on.scores), min(k, frames))
    if tiles == 1:
        assert (one == pick_mmr(on.scores, on.vectors, k)).all()


@settings(max_examples=300, deadline=None)
@given(looks())
def test_mmr_is_the_plain_reading(look: tuple[ScoredVideo, int]) -> None:
    on, k = look
    plain = [plain_mmr(one.tolist(), on.vectors, k) for one in on.scores]
    assert pick_mmr(on.scores, on.vectors, k).tolist() == plain


@settings(max_examples=500, deadline=None)
@given(looks())
def test_aks_is_the_plain_reading(look: tuple[ScoredVideo, int]) -> None:
    on, k = look
    share = min(k, len(on.time_s))
    plain = [plain_aks(np.array(plain_stretched(one.tolist())), share, 0, 0) for one in on.scores]
    assert pick_aks(on.scores, k).tolist() == plain


@settings(max_examples=500, deadline=None)
@given(looks())
def test_bolt_is_the_plain_reading(look: tuple[ScoredVideo, int]) -> None:
    on, k = look
    assert pick_bolt(on.scores, k).tolist() == [plain_bolt(one.tolist(), k) for one in on.scores]
