"""The formats in seconds, each with records that are fine and records that are not."""

from typing import Any

from infer.picks.collector import Collector, Picks
from infer.picks.formats import read_bolt, read_kfs_bench, read_times
from infer.questions import Question
from tests.infer.picks.asked import asked

TWO = asked({}, {"question": "Which sign?"})


def taken(picks: Picks) -> dict[str, list[float]]:
    return {name: own.tolist() for name, own in picks.times_s.items()}


def bolt(content: Any, questions: list[Question]) -> Picks:
    found = Collector("picks.json", questions, None)
    read_bolt(content, found)
    return found.picks()


def test_kfs_bench() -> None:
    found = Collector("picks.json", asked({"id": "7"}, {}, {}), None)
    read_kfs_bench(
        [
            {"id": 7, "frame_timestamps": [4.0, 2]},
            {"id": "q1", "frame_timestamps": [1, None]},
            {"id": "q2"},
            {"id": "other", "frame_timestamps": "?"},
            {"frame_timestamps": [1.0]},
            [1.0],
        ],
        found,
    )
    picks = found.picks()
    assert taken(picks) == {"7": [2.0, 4.0]}
    assert picks.unasked == 1
    assert [line.split(" has ")[0].split(" is ")[0] for line in picks.problems] == [
        *("question 'q1'", "question 'q2'", "record 5", "record 6")
    ]


def test_times() -> None:
    for content in (
        {"q1": [2.0, 1.0], "q0": [], "z": [1.0]},
        [{"id": "q1", "times_s": [2.0, 1.0]}, {"id": "q0"}, {"id": "z", "times_s": [1.0]}],
    ):
        found = Collector("picks.json", TWO, None)
        read_times(content, found)
        picks = found.picks()
        assert taken(picks) == {"q1": [1.0, 2.0]}
        assert (picks.unasked, len(picks.problems)) == (1, 1)
    found = Collector("picks.json", TWO, None)
    read_times({"id": "q1", "times_s": [3.0]}, found)
    assert taken(found.picks()) == {"q1": [3.0]}


def test_bolt_by_id() -> None:
    picks = bolt(
        {
            "a": [
                {"question_id": "q1", "question": "In other words?", "frames": [3, 0.5]},
                {"question_id": "q0", "question": "Which colour?", "frames": [7]},
                {"question_id": "q9", "question": "Who?", "frames": [7]},
                {"question_id": "q8", "frames": [7]},
            ],
            "b": 12,
        },
        TWO,
    )
    assert taken(picks) == {"q1": [0.5, 3.0], "q0": [7.0]}
    assert picks.unasked == 1
    assert [line.split(" is ")[0] for line in picks.problems] == ["b", "a: record 4"]


def test_bolt_by_video_and_text() -> None:
    questions = asked(
        {"id": "a_0"},
        {"id": "a_1", "question": "Which sign?\n(A) left\n(B) right"},
        {"id": "b_0", "video_path": "b.x.webm"},
    )
    # The id is the video's name, or a number that each video begins anew.
    for ids in (("a", "a", "b"), (0, 1, 0)):
        content = {
            "a": [
                {"question_id": ids[0], "question": "Which  colour?", "frames": [1]},
                {"question_id": ids[1], "question": "Which sign?", "frames": [2]},
            ],
            "b.x": [{"question_id": ids[2], "question": "Which colour?", "frames": [3]}],
        }
        assert taken(bolt(content, questions)) == {"a_0": [1.0], "a_1": [2.0], "b_0": [3.0]}
    cut = {"b": [{"question_id": "b", "question": "Which colour?", "frames": [3]}]}
    assert taken(bolt(cut, questions)) == {"b_0": [3.0]}  # some tools cut a name at its first point


def test_bolt_an_id_alone_is_not_believed() -> None:
    # A number of another set's questions that happens to be an id here.
    content = {"c": [{"question_id": "q0", "question": "Who?", "frames": [1]}]}
    picks = bolt(content, TWO)
    assert (taken(picks), picks.unasked) == ({}, 1)


def test_bolt_the_same_text_twice() -> None:
    same = asked({}, {})
    record = {"question": "Which colour?", "frames": [1]}
    picks = bolt({"a": [record | {"question_id": "a"}, record | {"question_id": "a"}]}, same)
    assert taken(picks) == {}
    assert all("2 questions" in line for line in picks.problems)
    assert len(picks.problems) == 2
    for questions, number in ((same, "q1"), (asked({"id": "a_3"}, {"id": "a_4"}), 4)):
        picks = bolt({"a": [record | {"question_id": number}]}, questions)
        assert taken(picks) == {questions[1].id: [1.0]}
