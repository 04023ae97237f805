"""Values in the forms that question files give them; most are tried by the names of the fields."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infer.question_files.field_values import (
    as_text,
    choice_at,
    choices_of,
    clock_s,
    number_of,
    seconds_of,
)


def test_a_choice_by_its_number() -> None:
    assert [choice_at(n, ["x", "y"]) for n in (0, 1.0, "1", 2, -1, None, True, "b")] == [
        *("x", "y", "y", "2", "-1"),
        *(None, True, "b"),
    ]


def test_clocks() -> None:
    assert [clock_s(t) for t in ("1:02:03.5", "2:03", "7", 7.5)] == [3723.5, 123, 7, 7.5]
    with pytest.raises(ValueError):
        clock_s("a:b")


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("1:02", 62.0),
        (["0:01", 2], [1.0, 2]),
        ({"start": "0:01", "end": 2}, [1.0, 2]),
        ("7", "7"),
        ("12:34:56:78", "12:34:56:78"),
        (None, None),
    ],
)
def test_seconds(value: object, seconds: object) -> None:
    assert seconds_of(value) == seconds


@pytest.mark.parametrize(
    ("value", "number"),
    [(1, 1), ("1.5", 1.5), (" 2 ", 2), ("nan", None), (True, None), ([1], None), (10**400, None)],
)
def test_numbers(value: object, number: float | None) -> None:
    assert number_of(value) == number


def test_numbers_that_pandas_made_of_texts_are_texts_again() -> None:
    assert [as_text(v) for v in (1, 1.0, 0.5, "x", None, True)] == [
        "1",
        "1",
        "0.5",
        "x",
        None,
        True,
    ]


@given(
    st.none() | st.text() | st.lists(st.none() | st.text() | st.dictionaries(st.text(), st.text()))
)
def test_whatever_choices_are_it_is_said(value: object) -> None:
    texts, keys = choices_of(value)
    assert not keys or (isinstance(texts, list) and len(keys) == len(texts))
