"""The best ascending rows against every ascending choice."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infer.selection.sequences import best_sequence


def plain(scores: list[list[int]]) -> list[int]:
    """Try all; the first of equals is the one of the earliest rows."""
    every = combinations(range(len(scores[0])), len(scores))
    return list(max(every, key=lambda rows: sum(s[r] for s, r in zip(scores, rows, strict=True))))


@st.composite
def curves(draw: st.DrawFn) -> list[list[list[int]]]:
    """Scores of 1 to 3 sequences of the same number of events, with many ties."""
    events = draw(st.integers(1, 4))
    frames = draw(st.integers(events, 7))
    row = st.lists(st.integers(-2, 2), min_size=frames, max_size=frames)
    one = st.lists(row, min_size=events, max_size=events)
    return draw(st.lists(one, min_size=1, max_size=3))


@settings(max_examples=50)
@given(curves())
def test_the_best_of_all_ascending_rows(many: list[list[list[int]]]) -> None:
    wanted = [plain(one) for one in many]
    assert best_sequence(np.array(many, np.float32)).tolist() == wanted
    assert best_sequence(np.array(many[0], np.float32)).tolist() == wanted[0]


def test_of_equal_sums_no_row_could_be_earlier() -> None:
    scores = np.array([[0, 1, 1, 0, 0], [0, 0, 0, 2, 2]], np.float32)
    assert best_sequence(scores).tolist() == [1, 3]
    assert best_sequence(np.zeros((3, 9), np.float32)).tolist() == [0, 1, 2]


def test_more_events_than_frames_are_refused() -> None:
    with pytest.raises(ValueError, match="3 events need as many frames, and there are 2"):
        best_sequence(np.zeros((3, 2), np.float32))
    assert best_sequence(np.zeros((2, 0, 4), np.float32)).shape == (2, 0)
