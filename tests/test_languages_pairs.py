"""Subsets of the pairs: nested, disjoint from held-out words, and readable again."""

from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from examples.languages.pairs import (
    HELD_OUT,
    Pairs,
    asking,
    has,
    read_pairs,
    read_records,
    some,
    without,
    write_captions,
    write_pairs,
)

WORDS = ("car", "cross", "purple", "bus")


def record(n: int, text: str) -> dict[str, Any]:
    choices = {"choices": ["A. a purple cross", "B. x"], "answer": "B. x"}
    return {"id": f"q-{n}", "question": text, "video_path": "a.mp4", **choices}


PAIRS = Pairs(
    [(record(n, f"Which {WORDS[n % 4]} {n}?"), record(n, f"{n} nào?")) for n in range(20)],
    [(f"A {WORDS[n % 4]}.", f"Một {n}.") for n in range(10)],
)


def texts(pairs: Pairs) -> list[str]:
    return [*(one["question"] for one, _ in pairs.questions), *(one for _, one in pairs.captions)]


@given(fewer=st.integers(0, 30), more=st.integers(0, 30), seed=st.integers(0, 9))
def test_fewer_pairs_are_among_more(fewer: int, more: int, seed: int) -> None:
    fewer, more = sorted((fewer, more))
    few, many = some(PAIRS, fewer, seed), some(PAIRS, more, seed)
    assert (len(few), len(many)) == (fewer, more)
    assert set(texts(few)) <= set(texts(many))
    assert not few.captions or len(few.questions) == len(PAIRS.questions)
    assert few == some(PAIRS, fewer, seed)


def test_words_are_left_out_of_questions_and_captions() -> None:
    kept = without(PAIRS, HELD_OUT)
    assert len(kept.questions) == 10
    assert len(kept.captions) == 5
    assert has("Which purple thing passes when the board shows a cross?", frozenset({"cross"}))
    assert not has("Which thing passes across?", frozenset({"cross"}))


def test_suggested_texts_are_found_again() -> None:
    assert len(asking(PAIRS, ["Which bus 3?", "Which car 0?", "none"])) == 2


def test_files_are_read_as_they_were_written(tmp_path: Path) -> None:
    files = write_pairs(PAIRS, tmp_path / "some")
    names = [[path.name for path in own] for own in files]
    assert names == [["english.json", "vietnamese.json"], ["captions.csv"]]
    again = read_pairs(tmp_path / "some")
    assert again.captions == PAIRS.captions
    assert texts(again) == texts(PAIRS)
    assert not {"choices", "answer"} & read_records(files[0][0])[0].keys()
    assert len(write_pairs(some(PAIRS, 5, 0), tmp_path / "few")) == 1
    write_captions(tmp_path / "captions.csv", [('a "b", c', "d")])
    assert (tmp_path / "captions.csv").read_text() == 'en,vi\n"a ""b"", c",d\n'
