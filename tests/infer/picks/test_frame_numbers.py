"""Frame numbers become times by the rate that is given, or that their step tells."""

from collections.abc import Sequence
from typing import Any

import pytest

from index.errors import CueframeError
from infer.picks.collector import Collector, Picks
from infer.picks.frame_numbers import read_aks
from infer.questions import Question
from tests.infer.picks.asked import asked

STEPS = [
    (23, 24000 / 1001),
    (24, 24.0),
    (25, 25.0),
    (29, 30000 / 1001),
    (30, 30.0),
    (59, 60000 / 1001),
]


def aks(content: Any, questions: Sequence[Question | None], fps: float | None = None) -> Picks:
    found = Collector("picks.json", questions, fps)
    read_aks(content, found)
    return found.picks()


@pytest.mark.parametrize(("step", "fps"), STEPS)
def test_the_step_tells_the_rate(step: int, fps: float) -> None:
    picks = aks([[0, 5 * step, 3 * step]], asked({}))
    assert picks.times_s["q0"].tolist() == pytest.approx([0, 3 * step / fps, 5 * step / fps])
    (note,) = picks.notes
    assert note.startswith("assumed: ")
    assert f"{fps:.5g} (step {step}): 1" in note
    assert "--picks-fps" in note


def test_the_step_is_that_of_all_of_a_videos_picks() -> None:
    questions = asked({}, {"video_path": "elsewhere/b.mp4"}, {}, {"video_path": "c.mp4"})
    picks = aks([[0, 120], [0, 75.0, 150.0], [30, 90], [7]], questions)
    assert {name: own.tolist() for name, own in picks.times_s.items()} == {
        "q0": [0.0, 4.0],
        "q2": [1.0, 3.0],
    }
    # A step of 75 or of one number alone is no rate's.
    assert [line.split(":")[0] for line in picks.problems] == [
        f"question '{name}' has an unknown frame rate" for name in ("q1", "q3")
    ]
    assert "30 (step 30): 2;" in picks.notes[0]


@pytest.mark.parametrize("step", [50, 60])
def test_a_step_that_may_be_two_needs_many_numbers(step: int) -> None:
    assert aks([[step * n for n in range(15)]], asked({})).times_s == {}
    many = aks([[step * n for n in range(16)]], asked({})).times_s["q0"]
    assert many.tolist() == list(range(16))


def test_a_rate_that_is_given_comes_first() -> None:
    questions = asked({"fps": 10}, {"fps": None}, {"fps": "thirty"}, {"fps": 0})
    picks = aks([[0, 30]] * 4, questions, fps=15.0)
    assert {name: own.tolist() for name, own in picks.times_s.items()} == {
        "q0": [0.0, 3.0],
        "q1": [0.0, 2.0],
    }
    assert picks.notes == []
    assert picks.problems == [
        "question 'q2' has fps 'thirty'; want a number above 0",
        "question 'q3' has fps 0; want a number above 0",
    ]


def test_records_with_frame_idx() -> None:
    questions = asked({}, {}, {})
    records = [
        {"id": "q1", "question": "any", "frame_idx": [50, 25]},
        {"question_id": "q0", "frame_idx": [75]},
        {"id": "q2"},
        {"id": "other", "frame_idx": [1]},
        {"frame_idx": [1]},
        [1],
    ]
    picks = aks(records, questions)
    assert {name: own.tolist() for name, own in picks.times_s.items()} == {
        "q0": [3.0],
        "q1": [1.0, 2.0],
    }
    assert picks.unasked == 1
    assert [line.split(" has ")[0].split(" is ")[0] for line in picks.problems] == [
        *("record 5", "record 6", "question 'q2'")
    ]


def test_bad_lists_cost_their_own_question() -> None:
    picks = aks([[25, 50], None, [], [1.5], [-25]], asked(*[{}] * 5))
    assert list(picks.times_s) == ["q0"]
    assert len(picks.problems) == 4


def test_a_question_that_cannot_be_used_holds_its_place() -> None:
    first, last = asked({}, {})
    picks = aks([[25], [50], [75]], [first, None, last], fps=25.0)
    assert {name: own.tolist() for name, own in picks.times_s.items()} == {"q0": [1.0], "q1": [3.0]}


def test_lists_for_other_questions_are_refused() -> None:
    with pytest.raises(CueframeError, match="2 lists for 1 questions; give the questions in whose"):
        aks([[0], [25]], asked({}))
