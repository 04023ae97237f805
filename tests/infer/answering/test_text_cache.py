"""Texts are encoded once, and their vectors let go."""

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.models.encoder import Encoder
from infer.answering.text_cache import TextCache


class Brief:
    """A model that reads three letters at once."""

    max_tokens = 3

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return [len(text) for text in texts]

    def plain_texts(self, texts: Sequence[str]) -> list[str]:
        return list(texts)

    def text_sides(self) -> tuple[object, ...]:
        return (self,)


class Counted:
    """An encoder whose vectors tell the text, and which counts what it encodes."""

    width = 3
    name = "it"
    dtype = "float32"

    def __init__(self) -> None:
        self.model = Brief()
        self.encoded: list[str] = []

    def texts(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        self.encoded += texts
        return self.vectors(texts), np.zeros(len(texts), np.bool_)

    @staticmethod
    def vectors(texts: Sequence[str]) -> np.ndarray:
        rows = [[len(text), sum(map(ord, text)), ord(text[0])] for text in texts]
        return np.array(rows, np.float32).reshape(-1, 3)


def of(encoder: Counted, calls: Sequence[Sequence[str]]) -> TextCache:
    return TextCache(
        cast("Encoder", encoder), [text for call in calls for text in call], "truncate"
    )


words = st.text(st.sampled_from("ab"), min_size=1, max_size=4)


@given(st.lists(st.lists(words, max_size=8), max_size=8))
def test_each_text_is_encoded_once_and_let_go_after_its_last_use(calls: list[list[str]]) -> None:
    encoder = Counted()
    texts = of(encoder, calls)
    for number, call in enumerate(calls):
        found = [*map(np.squeeze, texts.encode(call))]
        np.testing.assert_array_equal(np.reshape(found, (-1, 3)), Counted.vectors(call))
        later = {text for after in calls[number + 1 :] for text in after}
        before = {text for done in calls[: number + 1] for text in done}
        assert set(texts._known) == later & before
    every = [text for call in calls for text in call]
    assert encoder.encoded == list(dict.fromkeys(every))
    assert texts.too_long == {text for text in every if len(text) > 3}
    assert texts._left == {}


def test_a_kept_vector_does_not_hold_its_whole_block() -> None:
    calls = [["a", *[f"b{n}" for n in range(99)]], ["a"]]
    texts = of(Counted(), calls)
    texts.encode(calls[0])
    assert [vector.base for vector in texts._known.values()] == [None]


def test_texts_that_share_a_hash_are_right(monkeypatch: pytest.MonkeyPatch) -> None:
    def alike(_: Any) -> int:
        return 7

    monkeypatch.setattr("infer.answering.text_cache.hash", alike, raising=False)
    calls = [["a", "b", "a"], ["b", "c"], ["a"], ["c", "b"]]
    texts = of(Counted(), calls)
    for call in calls:
        found = [*map(np.squeeze, texts.encode(call))]
        np.testing.assert_array_equal(np.reshape(found, (-1, 3)), Counted.vectors(call))


def test_no_text_is_no_vector_and_time_is_summed() -> None:
    texts = of(Counted(), [])
    assert texts.encode([]) == []
    first = texts.spent_s
    assert first > 0
    texts.encode([])
    assert texts.spent_s > first


def test_a_text_that_was_not_told_of_is_encoded_all_the_same() -> None:
    encoder = Counted()
    texts = of(encoder, [["a"]])
    for _ in range(2):
        found = np.concatenate(texts.encode(["a", "ab"]))
        np.testing.assert_array_equal(found, Counted.vectors(["a", "ab"]))
