"""Fields under the names that question files give them."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infer.question_files.field_names import nearest_name, rename_fields
from infer.questions import Question


@pytest.mark.parametrize(
    ("raw", "fields"),
    [
        ({"q_uid": "u", "q": "w?"}, {"id": "u", "question": "w?"}),
        ({"ID": 3, "Question": "w?", "Video-Path": "v"}, {"id": 3, "question": "w?"}),
        ({"video_qid": 3}, {"id": 3}),
        ({"qid": 4, "question_id": 3}, {"id": 3}),
        ({"video": "v", "video_id": "w"}, {"video_path": "v"}),
        ({"vid": "v"}, {"video_path": "v"}),
        ({"options": ["a", "b"]}, {"choices": ["a", "b"]}),
        ({"candidates": ["a", "b"], "choices": ["c"]}, {"choices": ["c"]}),
        ({"a0": "x", "a1": "y", "a7": "z"}, {"choices": ["x", "y"]}),
        ({"a0": "Yes", "a1": "N/A", "answer": "N/A"}, {"choices": ["Yes", "N/A"]}),
        ({"A": "x", "B": "y", "D": "z", "answer": "B"}, {"choices": ["x", "y", "", "z"]}),
        ({"Option A": "x", "Option B": "y"}, {"choices": ["x", "y"]}),
        ({f"option{n}": str(n) for n in range(1, 31)}, {"choices": [str(n) for n in range(1, 31)]}),
        ({"answer1": "red", "answer2": "dark red"}, {"answer1": "red"}),
        ({"choices": [], "a0": "x", "a1": "y"}, {"choices": ["x", "y"]}),
        ({"choices": {"option_a": "x", "option_b": "y"}}, {"choices": ["x", "y"]}),
        ({"choices": {"A": "x", "B": "y", "C": None}}, {"choices": ["x", "y"]}),
        ({"choices": '["x", "y"]'}, {"choices": ["x", "y"]}),
        ({"choices": {}}, {"choices": []}),
        ({"choices": float("nan"), "options": ["x", "y"]}, {"choices": ["x", "y"]}),
        ({"id": None, "question_id": "q1"}, {"id": "q1"}),
        ({"question": "", "q": "why?"}, {"question": "why?"}),
        ({"answer": None, "correct_answer": "B"}, {"answer": "B"}),
        ({"id": 7.0}, {"id": 7}),
        ({"video_id": 6513}, {"video_path": "6513"}),
        ({"video": {"bytes": None, "path": "x.mp4"}}, {"video_path": "x.mp4"}),
        ({"support_ranges": [1, 2]}, {"support_ranges": [[1, 2]]}),
        ({"support_ranges": [["0:01", "1:00:02.5"]]}, {"support_ranges": [[1, 3602.5]]}),
        ({"support_ranges": [{"start": 1, "end": 2}]}, {"support_ranges": [[1, 2]]}),
        ({"choices": ["x", "y"], "answer": "z", "answer_idx": 1}, {"answer": "y"}),
        ({"choices": ["x", "y"], "answer": "x", "answer_idx": 1}, {"answer": "x"}),
        ({"choices": ["True", "False"], "answer": True}, {"answer": "True"}),
        ({"option 0": "x", "option 1": "y"}, {"choices": ["x", "y"]}),
        ({"Option_1": "x", "Option_2": "y"}, {"choices": ["x", "y"]}),
        ({"option_a": "x", "option_b": "y"}, {"choices": ["x", "y"]}),
        ({"A": "x", "B": "y", "answer": "B"}, {"choices": ["x", "y"], "answer": "y"}),
        (
            {f"option{n}": c for n, c in enumerate("xyz")} | {"option3": "N/A"},
            {"choices": [*"xyz"]},
        ),
        ({"choices": {"B": "y", "A": "x"}}, {"choices": ["x", "y"]}),
        ({"choices": {"10": "k", "9": "j"}}, {"choices": ["j", "k"]}),
        (
            {"choices": [{"choice_id": 1, "choice": "y"}, {"choice_id": 0, "choice": "x"}]},
            {"choices": ["x", "y"]},
        ),
        (
            {"choices": [{"label": "A", "text": "x"}, {"label": "B", "text": "y"}]},
            {"choices": [*"xy"]},
        ),
        ({"choices": [{"text": "x"}, {"text": "y"}]}, {"choices": ["x", "y"]}),
        ({"choices": "A. x\nB. y\n"}, {"choices": ["A. x", "B. y"]}),
        ({"choices": ["x", "y"], "correct_choice": 1}, {"answer": "y"}),
        ({"choices": ["x", "y"], "answer_idx": "0"}, {"answer": "x"}),
        ({"choices": ["x", "y"], "answer_idx": 7}, {"answer": "7"}),
        ({"choices": ["x", "y"], "answer": 1}, {"answer": "1"}),
        ({"answer_key": "x"}, {"answer": "x"}),
        ({"relevant_windows": [[1, 2]]}, {"support_ranges": [[1, 2]]}),
        ({"duration": "12.5"}, {"duration_s": 12.5}),
        ({"support_frames": "2.5"}, {"support_frames": [2.5]}),
    ],
)
def test_names_and_forms_of_the_field(raw: dict[str, Any], fields: dict[str, Any]) -> None:
    found = rename_fields(raw).fields
    assert {key: found[key] for key in fields} == fields


@pytest.mark.parametrize(
    ("key", "field"),
    [
        ("choises", "choices"),
        ("choice", "choices"),
        ("choices_vi", "choices"),
        ("Support Frame", "support_frames"),
        ("support_frames_old", "support_frames"),
        ("awnser", "answer"),
        ("questions", "question"),
        ("video_id", "video_path"),
        ("scene", "scenes"),
        ("question_type", None),
        ("answer_type", None),
        ("category", None),
        ("type", None),
        ("_unused_", None),
        ("subtitles", None),
        ("difficulty", None),
        ("width", None),
        ("label", "answer"),
        ("length", "duration_s"),
        ("answer_idx", "answer"),
        ("gt_windows", "support_ranges"),
        ("span", "support_ranges"),
        ("start_time", "support_ranges"),
        ("alternatives", "choices"),
    ],
)
def test_a_key_that_looks_like_a_field_is_told(key: str, field: str | None) -> None:
    raw = {"id": 1, "question": "q?", "video_path": "v", "choices": ["a"], "answer": "a", key: 1}
    assert rename_fields(raw).unread.get(key) == field


@pytest.mark.parametrize("duration", ["short", "nan", 0, -1, None])
def test_what_is_no_duration_is_left(duration: object) -> None:
    found = rename_fields({"duration": duration}).fields
    assert "duration_s" not in found


@pytest.mark.parametrize(
    ("record", "answer"),
    [
        ({"option1": "x", "option2": "y", "option3": "z", "answer": 1}, "x"),
        ({"option1": "x", "option2": "y", "answer": "option1"}, "x"),
        ({"option_1": "x", "option_2": "y", "answer": "Option 2"}, "y"),
        ({"answer_1": "x", "answer_2": "y", "correct_answer": 2}, "y"),
        ({"option_a": "x", "option_b": "y", "answer": "option_b"}, "y"),
        ({"a0": "x", "a1": "y", "answer": "a1"}, "y"),
        ({"a0": "x", "a1": "y", "answer": 1}, "y"),
        ({"a0": "1", "a1": "0", "answer": 1}, "1"),
        ({"A": "x", "B": "y", "answer": "b"}, "y"),
        ({"choices": {"1": "x", "2": "y", "3": "z"}, "answer": "1"}, "x"),
        ({"choices": {"B": "x", "C": "y"}, "answer": "C"}, "y"),
        ({"choices": {"Option 1": "x", "Option 2": "y"}, "answer": "Option 1"}, "x"),
        ({"choices": [{"id": 1, "text": "x"}, {"id": 2, "text": "y"}], "answer": 1}, "x"),
        ({"choices": ["x", "y"], "answer": 1.0}, "1"),
    ],
)
def test_an_answer_may_be_what_the_file_calls_a_choice(record: dict[str, Any], answer: str) -> None:
    assert rename_fields(record).fields["answer"] == answer


@given(st.dictionaries(st.sampled_from([*Question.model_fields, "x"]), st.text(min_size=1)))
def test_our_own_names_stay_as_they_are(raw: dict[str, Any]) -> None:
    kept = rename_fields(raw).fields
    assert kept.keys() == raw.keys()
    assert all(kept[key] == raw[key] for key in ("id", "question", "video_path") if key in raw)


def test_the_nearest_name() -> None:
    assert nearest_name("question", ["id", "quesiton"]).endswith("is 'quesiton'")
    assert nearest_name("video_path", ["file"]).endswith("'file'")
    assert nearest_name("question", ["id"]) == "no other key is there"
    many = nearest_name("question", [f"key{n}" for n in range(20)])
    assert many.endswith("'key7' …")
