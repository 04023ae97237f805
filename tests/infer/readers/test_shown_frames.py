"""What a reader is shown, against a plain reading of the labels and times."""

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from index.errors import CueframeError
from index.spans import Timeline, until_next
from infer.answer_file import ReaderFrames
from infer.questions import Question
from infer.readers.shown_frames import no_label, rows_shown, times_shown
from infer.selection.parts import parts_asked
from infer.selection.strategies import ScoredVideo

TIME_S = np.array([0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5])


def question(**labels: Any) -> Question:
    return Question.model_validate({"id": "q7", "question": "?", "video_path": "x"} | labels)


def scored(questions: int, time_s: np.ndarray = TIME_S, duration_s: float = 4.0) -> ScoredVideo:
    frames = len(time_s)
    return ScoredVideo(
        scores=np.zeros((questions, frames)),
        time_s=time_s,
        end_s=until_next(time_s),
        duration_s=duration_s,
        vectors=np.zeros((frames, 1, 2)),
        seeds=np.zeros(questions, np.uint64),
    )


def times(which: ReaderFrames, queries: Question) -> list[float]:
    return times_shown(which, queries, [0.5, 1.0, 3.0], Timeline(TIME_S, TIME_S + 0.04, 4.0))


def test_times() -> None:
    labelled = question(support_frames=[2.2, 0.3, 2.2], support_ranges=[[0, 3]])
    assert times("picked", labelled) == [0.5, 1.0, 3.0]
    # The middles are at 2/3, 2 and 10/3 s.
    assert times("uniform", labelled) == [0.5, 2.0, 3.5]
    assert times("support", labelled) == [0.3, 2.2]
    assert times("support", question(support_ranges=[[2, 3], [0, 1.5]])) == [0.75, 2.5]
    assert times("support", question()) == []


def test_rows() -> None:
    queries = [
        question(support_frames=[0.7, 99.0]),
        question(),
        question(support_ranges=[[1.0, 1.4], [1.1, 1.5]]),
    ]
    rows = np.array([[0, 1, 2], [3, 4, 7], [2, 4, 5]])
    on = scored(3)._replace(end_s=TIME_S + 0.04)

    def shown(which: ReaderFrames) -> list[list[int]]:
        found = rows_shown(which, queries, on, rows)
        assert found.shape == (3, 8)
        return [np.flatnonzero(row).tolist() for row in found]

    assert shown("picked") == rows.tolist()
    assert shown("uniform") == [[1, 4, 7]] * 3
    assert shown("all") == [[*range(8)]] * 3
    assert shown("support") == [[1, 7], [], [2, 3]]


def test_frames_of_a_part() -> None:
    # 1.2 to 3.2 s: rows 2 to 6, of which the first is shown since 1 s; its middles are at 1.53,
    # 2.2 and 2.87 s. A label outside is moved to the nearer end.
    asked = question(support_frames=[0.3, 2.6], span_s=[1.2, 3.2])
    timeline = Timeline(TIME_S, until_next(TIME_S, 4.0), 4.0)

    def shown_at(which: ReaderFrames) -> list[float]:
        return times_shown(which, asked, [1.5, 2.0, 2.5], timeline)

    assert (shown_at("picked"), shown_at("uniform")) == ([1.5, 2.0, 2.5],) * 2
    assert shown_at("support") == [1.2, 2.6]
    whole = scored(1)._replace(end_s=timeline.end_s)
    ((_, part),) = parts_asked(whole, [asked.span_s])
    assert not isinstance(part, CueframeError)

    def rows_of(which: ReaderFrames) -> list[int]:
        found = rows_shown(which, [asked], part.video, np.array([[0, 2, 4]]))
        return (part.first_row + np.flatnonzero(found[0])).tolist()

    assert (rows_of("picked"), rows_of("uniform")) == ([2, 4, 6], [3, 4, 5])
    assert (rows_of("support"), rows_of("all")) == ([2, 5], [2, 3, 4, 5, 6])


seconds = st.integers(0, 9000).map(lambda n: n / 1000)


@given(
    st.lists(seconds, min_size=1, max_size=7, unique=True),
    st.lists(st.lists(seconds, max_size=4), min_size=1, max_size=4),
    st.integers(1, 9),
)
def test_a_true_frame_is_the_nearest_row(
    at_s: list[float], labels: list[list[float]], k: int
) -> None:
    time_s = np.array(sorted(at_s))
    on = scored(len(labels), time_s, 9.0)._replace(end_s=time_s)
    queries = [question(support_frames=own) for own in labels]
    rows = np.tile(np.arange(min(k, len(time_s))), (len(labels), 1))
    for own, row in zip(labels, rows_shown("support", queries, on, rows), strict=True):
        plain = {min(range(len(time_s)), key=lambda n: (abs(time_s[n] - t), n)) for t in own}
        assert set(np.flatnonzero(row)) == plain
    picked_s = time_s[rows[0]].tolist()
    middles = times_shown("uniform", queries[0], picked_s, Timeline(time_s, time_s, 9.0))
    assert middles == sorted(middles)
    assert len(middles) == min(k, len(time_s))
    for row in rows_shown("uniform", queries, on, rows):
        assert time_s[row].tolist() == middles


def test_the_error_names_the_question_and_the_flag() -> None:
    line = no_label("câu 1")
    assert "'câu 1'" in line
    assert "--reader-frames support" in line
