"""Scores against numpy in float64, and what they promise about ties and batches."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from index.errors import CueframeError
from index.storage.store import read_profile
from infer.selection.frame_scores import (
    QUESTIONS_AT_ONCE,
    SCORES_AT_ONCE,
    best_tiles,
    blocks_of_questions,
    cosines,
    picked_frames,
    questions_at_once,
    read_stored_video,
    score_video,
    text_scores,
)
from infer.selection.parts import ScoredPart
from infer.selection.strategies import ScoredVideo
from tests.fixtures_infer import seen_as, stored, world

NO_SEEDS = np.zeros(2, np.uint64)


def units(rng: np.random.Generator, *shape: int) -> np.ndarray:
    vectors = rng.normal(size=shape)
    vectors /= np.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors.astype(np.float32)


@settings(deadline=None)
@given(st.integers(1, 40), st.integers(1, 400), st.sampled_from([64, 512, 768]), st.integers(0, 99))
def test_equal_frames_tie_whatever_their_place(q: int, f: int, width: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    frames = np.tile(units(rng, 1, 1, width), (f, 1, 1))
    scores = cosines(units(rng, q, width), frames)
    assert scores.dtype == np.float32
    assert (scores == scores[:, :1]).all()


@settings(deadline=None)
@given(st.integers(2, 40), st.integers(1, 400), st.integers(0, 99))
def test_a_question_scores_the_same_alone_as_in_a_batch(q: int, f: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    texts, frames = units(rng, q, 512), units(rng, f, 1, 512)
    together = cosines(texts, frames)
    alone = np.concatenate([cosines(text[None], frames) for text in texts])
    assert (together == alone).all()
    exact, flat = texts.astype(np.float64), frames[:, 0].astype(np.float64)
    by_hand = (exact[:, None] * flat[None]).sum(axis=2)
    np.testing.assert_allclose(together, by_hand, atol=1e-7)
    assert (together == (exact @ flat.T).astype(np.float32)).all()  # as before there were tiles


@settings(deadline=None)
@given(st.integers(1, 9), st.integers(1, 40), st.integers(1, 7), st.integers(0, 99))
def test_a_frame_scores_as_its_best_tile(q: int, f: int, tiles: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    texts, frames = units(rng, q, 16), units(rng, f, tiles, 16)
    frames[rng.random((f, tiles)) < 0.3] = frames[0, 0]  # equal tiles
    scores = cosines(texts, frames)
    rows = np.sort(rng.permutation(f)[: rng.integers(1, f + 1)])[None].repeat(q, axis=0)
    best = best_tiles([[text] for text in texts], frames, rows)
    for n, text in enumerate(texts):
        each = np.array(
            [cosines(text[None], frames[:, t, None])[0] for t in range(tiles)]
        )  # (T, F)
        for row in range(f):
            assert scores[n, row] == max(each[:, row])
        for place, row in enumerate(rows[n]):
            assert best[n, place] == each[:, row].tolist().index(max(each[:, row]))


def test_scores_of_a_stored_video() -> None:
    here = world()
    path = here.videos / "b_frames.mp4"
    embeddings, time_s, duration_s = stored(here.index, path)
    profile = read_profile(here.index)
    texts = units(np.random.default_rng(0), 2, profile.width)
    content = seen_as(here.index, path).content_hash
    scored = score_video(
        read_stored_video(here.index, profile, content), [[text] for text in texts], NO_SEEDS
    )
    np.testing.assert_allclose(scored.scores, texts.astype(np.float64) @ embeddings.T, atol=1e-7)
    assert scored.time_s.tolist() == time_s.tolist()
    assert scored.duration_s == duration_s
    assert (scored.vectors[:, 0] == embeddings).all()
    assert scored.vectors.shape[1] == scored.n_vectors / len(time_s) == len(scored.tiles) == 1


def test_vectors_of_another_profile_are_refused() -> None:
    here = world()
    content = seen_as(here.index, here.videos / "few.mp4").content_hash
    profile = read_profile(here.index).model_copy(update={"fps": 3.0})
    with pytest.raises(CueframeError, match=r"few\.mp4 are not of .*profile"):
        read_stored_video(here.index, profile, content)


@given(st.integers(0, 2**40))
def test_scores_at_once_are_bounded(rows: int) -> None:
    questions = questions_at_once(rows)
    assert questions == 1 or questions * rows <= SCORES_AT_ONCE
    assert (questions + 1) * rows > SCORES_AT_ONCE or questions == QUESTIONS_AT_ONCE


@pytest.mark.parametrize(("questions", "rows"), [(0, 9), (1, 9), (5000, 21_600), (3, 2**22)])
def test_blocks_hold_each_question_once(questions: int, rows: int) -> None:
    blocks = [range(questions)[block] for block in blocks_of_questions(questions, rows)]
    assert [q for block in blocks for q in block] == list(range(questions))
    assert all(len(block) <= questions_at_once(rows) for block in blocks)


def test_picked_frames_by_hand() -> None:
    scored = ScoredVideo(
        scores=np.array([[0.1, 0.25, 0.3, 0.4], [0.5, 1 / 3, 0.7, -0.8]], np.float32),
        time_s=np.array([0.0, 0.9, 1.0, 3.5]),
        end_s=np.array([0.5, 0.95, 2.0, 4.0]),
        duration_s=4.0,
        vectors=np.zeros((4, 1, 1)),
        seeds=NO_SEEDS,
    )
    whole = ScoredPart(scored, 0, scored.time_s)
    texts = [[np.ones(1)]] * 2
    assert picked_frames(whole, np.array([[0, 3], [1, 2]]), 4, texts) == [
        [
            {"segment": 0, "row": 0, "time_s": 0.0, "score": 0.1},
            {"segment": 3, "row": 3, "time_s": 3.5, "score": 0.4},
        ],
        [
            {"segment": 0, "row": 1, "time_s": 0.9, "score": 0.333333},
            {"segment": 1, "row": 2, "time_s": 1.0, "score": 0.7},
        ],
    ]
    # As the part from 19 s on of a video whose row 7, shown since 18.5 s, is its first.
    part = ScoredPart(scored._replace(start_s=19.0), 7, np.array([18.5, 19.9, 20.0, 22.5]))
    assert picked_frames(part, np.array([[0, 3], [1, 2]]), 4, texts)[0] == [
        {"segment": 0, "row": 7, "time_s": 18.5, "score": 0.1},
        {"segment": 3, "row": 10, "time_s": 22.5, "score": 0.4},
    ]
    # Two tiles, of which the second is better but in row 3.
    vectors = np.array([[[0.1], [0.2]], [[0.0], [0.3]], [[0.0], [0.4]], [[0.5], [0.5]]])
    tiles = [(0, 0, 2 / 3, 1), (1 / 3, 0, 1, 1)]
    tiled = ScoredPart(scored._replace(vectors=vectors, tiles=tiles), 0, scored.time_s)
    frames = picked_frames(tiled, np.array([[0, 3], [1, 2]]), 4, texts)
    left, right = [0, 0, 0.6667, 1], [0.3333, 0, 1, 1]
    assert [[one["tile"] for one in own] for own in frames] == [[right, left], [right, right]]
    assert list(frames[0][0]) == ["segment", "row", "time_s", "score", "tile"]


@settings(deadline=None)
@given(st.lists(st.integers(1, 4), min_size=1, max_size=9), st.integers(1, 30), st.integers(0, 99))
def test_the_best_window_of_a_text_counts(counts: list[int], f: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    texts, frames = [units(rng, count, 64) for count in counts], units(rng, f, 3, 64)
    scores = text_scores(texts, frames)
    assert scores.dtype == np.float32
    expected = np.stack([cosines(text, frames).max(axis=0) for text in texts])
    np.testing.assert_array_equal(scores, expected)
    np.testing.assert_array_equal(
        text_scores([text[0] for text in texts], frames)[:, 0],
        [cosines(text[:1], frames)[0, 0] for text in texts],
    )
