"""Markers in front of choices."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infer.texts.choice_markers import blank_choices, marker_alone, split_marker, without_markers

STYLES = [
    *("{}. ", "{}) ", "{}: ", "({}) ", "({})", "[{}] ", "{}、", "{}．", "（{}）", "{}）", "{} . "),
    *("Option {}: ", "option {}. ", "Choice {}) ", "Đáp án {}. ", "Phương án {}: "),
]


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("markers", ["ABCD", "abcd", "1234", "0123"])
def test_markers_of_every_style_come_off(style: str, markers: str) -> None:
    texts = ["Red", "dark blue", "5 cars", "Đỏ"]
    choices = [style.format(m) + text for m, text in zip(markers, texts, strict=True)]
    assert without_markers(choices) == (texts, [m.upper() for m in markers])


@pytest.mark.parametrize(
    "choices",
    [
        ["A. Red", "Blue"],
        ["B. Red", "A. Blue"],
        ["A. Red", "C. Blue"],
        ["a.m.", "b.m."],
        ["A.M. only", "B.C. only"],
        ["1.5", "2.5"],
        ["1:00 pm", "2:00 pm"],
        ["1. same", "2. same"],
        ["2. Mai", "1. Mai"],
        ["A cat", "B cat"],
        ["Option A", "Option B"],
        ["C", "D"],
        [],
    ],
)
def test_what_is_no_marker_belongs_to_the_text(choices: list[str]) -> None:
    assert without_markers(choices) == (choices, [])


@given(st.lists(st.text(), max_size=5))
def test_texts_stay_distinct_and_none_is_blank(choices: list[str]) -> None:
    texts, markers = without_markers(choices)
    if markers[:1] != ["A"]:
        assert len(set(texts)) == len({choice.strip() for choice in choices})
    assert len(markers) in (0, len(choices))
    assert not markers or all(texts)


@pytest.mark.parametrize(
    ("text", "marker"),
    [
        *((text, "B") for text in ("B", "b", "b.", "B)", "(b)", " [B] ", "Option B", "B、", "B:")),
        *((text, "2") for text in ("2", "(2)", "2.", "Option 2")),
        *((text, None) for text in ("Blue", "", ".", "B C", "123", "AB")),
    ],
)
def test_a_marker_alone(text: str, marker: str | None) -> None:
    assert marker_alone(text) == marker
    assert split_marker(text) is None


@pytest.mark.parametrize("text", ["B.", "B. ", "(b)", "B)", "Option B:"])
def test_a_marker_of_its_own_place_and_no_text_is_blank(text: str) -> None:
    assert blank_choices(["Red", text, "Blue"]) == [1]
    assert blank_choices(["Red", "Blue", text]) == []


@pytest.mark.parametrize("text", ["2.", "(2)", "1)"])
def test_a_number_is_blank_only_among_numbered_choices(text: str) -> None:
    assert blank_choices(["1. Red", text]) == [1]
    assert blank_choices(["5.", text, "3."]) == []


@pytest.mark.parametrize("text", ["B", "2", "Option B", "Blue.", "5.", ""])
def test_short_texts_are_not_blank(text: str) -> None:
    assert blank_choices(["A. Red", text]) == []
