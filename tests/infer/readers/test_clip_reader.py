"""Zero-shot choices against a plain loop over questions, choices and frames."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.errors import CueframeError
from index.models.long_texts import Text
from infer.answer_file import ReaderFrames
from infer.queries import EncodedQuery, Query
from infer.question_texts import texts_of_choices
from infer.questions import Question
from infer.readers.clip_reader import choice_probabilities, read_choices
from infer.selection.strategies import ScoredVideo


def queries(number: int, *choices: str, question: str = "Which?", **labels: object) -> Query:
    record = {"id": f"q{number}", "question": question, "choices": choices, "video_path": "x"}
    return Query(
        place=number,
        question=Question.model_validate(record | labels),
        texts=(question,),
        path="x",
        content_hash="x",
    )


def units(generator: np.random.Generator, *shape: int) -> np.ndarray:
    vectors = generator.normal(size=shape)
    unit: np.ndarray = vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)
    return unit


def video(vectors: np.ndarray, questions: int) -> ScoredVideo:
    frames = len(vectors)
    return ScoredVideo(
        scores=np.zeros((questions, frames)),
        time_s=np.arange(frames) / 2,
        end_s=np.arange(frames) / 2 + 0.04,
        duration_s=frames / 2,
        vectors=vectors,
        seeds=np.zeros(questions, np.uint64),
    )


def plain(
    texts: Iterable[np.ndarray], frames: np.ndarray, shown: Sequence[int], scale: float
) -> list[float]:
    """The softmax of one question, number by number."""
    best = [
        max(float(np.dot(text, tile)) for row in shown for tile in frames[row]) for text in texts
    ]
    powers = [math.exp(scale * (cosine - max(best))) for cosine in best]
    return [power / sum(powers) for power in powers]


@given(
    st.integers(0, 2**32 - 1),
    st.lists(st.integers(1, 6), min_size=1, max_size=6),
    st.integers(1, 9),
    st.integers(1, 3),
    st.sampled_from([1.0, 14.3, 100.0, 1e4]),
    st.sampled_from([1, 20, 2**20]),
)
def test_probabilities_are_those_of_a_plain_loop(
    seed: int, counts: list[int], frames: int, tiles: int, scale: float, at_once: int
) -> None:
    generator = np.random.default_rng(seed)
    texts, vectors = units(generator, sum(counts), 5), units(generator, frames, tiles, 5)
    shown = generator.random((len(counts), frames)) < 0.5
    shown[np.arange(len(counts)), generator.integers(0, frames, len(counts))] = True
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("infer.selection.frame_scores.SCORES_AT_ONCE", at_once)
        found = choice_probabilities([*texts], counts, video(vectors, len(counts)), shown, scale)
    assert [len(own) for own in found] == counts
    start = 0
    for count, own, rows in zip(counts, found, shown, strict=True):
        expected = plain(
            texts[start : start + count], vectors, np.flatnonzero(rows).tolist(), scale
        )
        start += count
        # Cosines are rounded to float32 before they are scaled.
        np.testing.assert_allclose(own, expected, atol=scale * 1e-7)
        assert own.sum() == pytest.approx(1)


VECTORS = units(np.random.default_rng(3), 8, 1, 5)


def encode(texts: Sequence[Text]) -> np.ndarray:
    """A vector that hangs on the text alone."""
    whole = [text if isinstance(text, str) else " ".join(text) for text in texts]
    own = [units(np.random.default_rng([*text.encode()]), 5) for text in whole]
    return np.array(own).reshape(-1, 5)


def read(
    asked: Sequence[Query],
    rows: np.ndarray,
    which: Sequence[ReaderFrames],
    scale: float = 20.0,
) -> list[dict[str, Any]]:
    """What the reader says of these questions."""
    encoded = []
    for one in asked:
        choices: Sequence[np.ndarray] | CueframeError
        try:
            choices = [*encode(texts_of_choices(one.question))]
        except CueframeError as error:
            choices = error
        encoded.append(EncodedQuery(one, [*encode(one.texts)], choices))
    part = video(VECTORS, len(asked))
    return read_choices(part, rows, encoded, scale=scale, which=which)


def expected(one: Query, shown: Sequence[int]) -> dict[str, float]:
    shares = plain(encode(texts_of_choices(one.question)), VECTORS, shown, 20.0)
    return {letter: round(share, 6) for letter, share in zip("ABCDEF", shares, strict=False)}


def test_each_question_is_read_with_its_own_frames() -> None:
    block = [
        queries(0, "A. Red", "B. Blue", support_frames=[1.1]),
        queries(1, "Red"),
        queries(2, "one", "two", "three", support_frames=[0.0, 3.5]),
        queries(3, "Red", "Blue"),
        queries(4, "yes", "no", "maybe", "never", support_ranges=[[1.0, 2.0]]),
        queries(5),
    ]
    numbers = [5, 4, 2, 1, 0]
    rows = np.array([[0, 1], [2, 3], [4, 5], [6, 7], [0, 7]])
    found = read([block[n] for n in numbers], rows, ("picked", "all", "uniform"))
    for number, own, record in zip(numbers, rows.tolist(), found, strict=True):
        one = block[number]
        if number in (1, 5):
            assert list(record) == ["error"]
            assert f"question 'q{number}' has " in record["error"]
            continue
        for kind, shown in (("picked", own), ("all", range(8)), ("uniform", [2, 6])):
            answer = record["answers"][kind]
            assert answer["probabilities"] == pytest.approx(expected(one, shown), abs=2e-6)
            best = max(answer["probabilities"], key=answer["probabilities"].__getitem__)
            assert answer["letter"] == best
            assert answer["text"] == one.question.choices["ABCDEF".index(best)]
        assert list(record["answers"]) == ["picked", "all", "uniform"]


def test_an_unlabelled_question_has_no_true_frames() -> None:
    block = [
        queries(0, "Red", "Blue"),
        queries(1, "Red", "Blue", support_frames=[1.1]),
        queries(2, "Red", "Blue", support_ranges=[[2.0, 3.0]]),
    ]
    for which in (("support", "picked"), ("picked", "support")):
        unknown, known, ranged = read(block, np.array([[0, 1]] * 3), which)
        assert list(unknown) == ["error"]
        assert "no support_frames" in unknown["error"]
        for one, record, row in ((block[1], known, 2), (block[2], ranged, 5)):
            shares = record["answers"]["support"]["probabilities"]
            assert shares == pytest.approx(expected(one, [row]), abs=2e-6)


@pytest.mark.parametrize("numbers", [[0], [0, 1], [1]])
def test_where_no_question_can_be_read_all_have_errors(numbers: list[int]) -> None:
    block = [queries(0), queries(1, "one")]
    found = read([block[n] for n in numbers], np.array([[0]] * len(numbers)), ("picked",))
    assert [list(record) for record in found] == [["error"]] * len(numbers)


@pytest.mark.parametrize("scale", [math.nan, math.inf])
def test_a_scale_that_is_not_finite_guesses_no_letter(scale: float) -> None:
    with pytest.raises(CueframeError, match="the scale of --model computes no finite numbers"):
        read([queries(0, "Red", "Blue")], np.array([[0]]), ("picked",), scale)


def test_equal_vectors_of_different_choices_are_no_answer() -> None:
    one = queries(0, "Red", "Blue", "Grey")
    vectors = [encode(["near"]), encode(["near"]) * (1 + 1e-8), -encode(["near"])]
    found = read_choices(
        video(np.concatenate([encode(["near"])[:, None], VECTORS]), 1),
        np.array([[0, 1]]),
        [EncodedQuery(one, [*encode(["?"])], vectors)],
        scale=100.0,
        which=("picked", "all"),
    )
    for answer in found[0]["answers"].values():
        assert "letter" not in answer
        assert "A, B apart" in answer["undecided"]
