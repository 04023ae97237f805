"""Queries are encoded block by block, video by video, each with its own vectors."""

from collections.abc import Sequence
from itertools import chain
from typing import cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.errors import CueframeError
from index.models.encoder import Encoder
from index.models.long_texts import Text
from infer.answering.encoded_queries import encode_queries, texts_of
from infer.answering.text_cache import TextCache
from infer.queries import Query
from infer.questions import Question

CHOICES: list[list[str]] = [["A. Red", "B. Blue"], ["one"], [], ["x", "y", "z"]]


class Boundless:
    """A model that reads any text at once."""

    max_tokens = 1000

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return [len(text) for text in texts]

    def plain_texts(self, texts: Sequence[str]) -> list[str]:
        return list(texts)

    def text_sides(self) -> tuple[object, ...]:
        return (self,)


class Told:
    """An encoder whose vectors tell the text, and which keeps what it encodes."""

    width = 2
    name = "it"
    dtype = "float32"

    def __init__(self) -> None:
        self.model = Boundless()
        self.calls: list[list[str]] = []

    def texts(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        self.calls.append(list(texts))
        return np.stack([vector(text) for text in texts]), np.zeros(len(texts), np.bool_)


def joined(text: Text) -> str:
    return text if isinstance(text, str) else " ".join(text)


def vector(text: str) -> np.ndarray:
    return np.array([len(text), sum(map(ord, text))], np.float32)


def asked_of(videos: Sequence[str]) -> list[Query]:
    """A question about each of the videos."""
    return [
        Query(
            place=place,
            question=Question.model_validate(
                {
                    "id": f"q{place}",
                    "question": f"What {place}?",
                    "choices": CHOICES[place % 4],
                    "video_path": name,
                }
            ),
            texts=(f"What {place}?",),
            path=name,
            content_hash=name,
        )
        for place, name in enumerate(videos)
    ]


@given(st.lists(st.sampled_from("abc"), max_size=20), st.integers(1, 6), st.booleans())
def test_each_query_gets_its_vectors_video_by_video(
    videos: list[str], size: int, choices: bool
) -> None:
    encoder = Told()
    queries = asked_of(videos)
    of_all = [text for one in queries for text in texts_of(one, choices=choices)]
    texts = TextCache(cast("Encoder", encoder), of_all, "windows")
    spent_s: dict[int, float] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("infer.answering.encoded_queries.QUESTIONS_AT_ONCE", size)
        made = list(encode_queries(queries, texts, spent_s, choices=choices))
    names = [one.query.content_hash for one in made]
    assert names == sorted(videos, key=list(dict.fromkeys(videos)).index)
    assert sorted(one.query.place for one in made) == list(range(len(videos)))
    assert sorted(spent_s) == list(range(len(videos)))
    for one in made:
        own = texts_of(one.query, choices=choices)
        assert not isinstance(one.texts, CueframeError)
        assert (one.texts[0] == [vector(joined(own[0]))]).all()
        if not choices:
            assert one.choices is None
        elif len(one.query.question.choices) < 2:
            assert isinstance(one.choices, CueframeError)
            assert own[1:] == []
        else:
            assert isinstance(one.choices, list)
            expected = [[vector(joined(text))] for text in own[1:]]
            np.testing.assert_array_equal(one.choices, expected)
    assert sorted(text for call in encoder.calls for text in call) == sorted({*map(joined, of_all)})
    assert all(len(call) <= 3 * size for call in encoder.calls)


def test_no_text_is_encoded_before_it_is_wanted() -> None:
    encoder = Told()
    queries = asked_of("abcd" * 300)
    texts = TextCache(
        cast("Encoder", encoder), [*chain.from_iterable(one.texts for one in queries)], "windows"
    )
    stream = encode_queries(queries, texts, {}, choices=False)
    next(stream)
    assert [len(call) for call in encoder.calls] == [512]


@pytest.mark.parametrize("choices", [True, False])
def test_a_query_whose_texts_cannot_be_encoded_costs_itself(choices: bool) -> None:
    odd: dict[str, Exception] = {
        "What 8?": ValueError("no such word"),
        "What 3? z": CueframeError("no finite numbers"),
    }

    class Refusing(Told):
        def texts(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
            for text in set(texts) & set(odd):
                raise odd[text]
            return super().texts(texts)

    queries = asked_of("aabbaabbaabb")
    of_all = [text for one in queries for text in texts_of(one, choices=choices)]
    texts = TextCache(cast("Encoder", Refusing()), of_all, "windows")
    found = {}
    for one in encode_queries(queries, texts, {}, choices=choices):
        if isinstance(one.texts, CueframeError):
            found[one.query.place] = str(one.texts)
        else:
            assert (one.texts[0] == vector(joined(one.query.texts[0]))).all()
    wrong = {8: "ValueError: no such word", 3: "no finite numbers"}
    assert found == (wrong if choices else {8: wrong[8]})
