"""The fields of a question, and what each of them refuses."""

import json
from typing import Any

import pytest
from pydantic import ValidationError

from infer.questions import Question
from infer.texts.clean_text import MAX_TEXT_CHARS

RECORD: dict[str, Any] = {
    "id": "train_0001",
    "question": "Biển báo này có đúng không?",
    "choices": ["A. Đúng", "B. Sai"],
    "answer": "B. Sai",
    "support_frames": [4.427402],
    "support_ranges": [[4, 5.5]],
    "scenes": [[[1, 2], [4, 5]], [[7, 8]]],
    "span_s": [0, 9],
    "duration_s": 9.5,
    "events": ["a car stops", "a man gets out"],
    "paraphrases": ["Is this sign right?"],
    "negative_frames": [0.5],
    "video_path": "train/videos/2b84_Y.mp4",
    "video_aliases": ["2b84"],
    "_unused_": {"a": 1},
}


def question(**fields: object) -> Question:
    return Question.model_validate({"id": "q", "question": "Why?", "video_path": "x.mp4"} | fields)


def test_a_record_keeps_all_its_fields_and_unknown_keys() -> None:
    read = Question.model_validate(RECORD)
    assert read.support_ranges == [(4.0, 5.5)]
    assert read.scenes == [[(1.0, 2.0), (4.0, 5.0)], [(7.0, 8.0)]]
    assert read.span_s == (0.0, 9.0)
    assert json.loads(read.model_dump_json()) == RECORD


def test_what_may_be_missing_is_empty() -> None:
    bare = question()
    lists = (bare.choices, bare.support_frames, bare.support_ranges, bare.scenes, bare.events)
    assert not any([*lists, bare.paraphrases, bare.negative_frames, bare.video_aliases])
    assert (bare.answer, bare.span_s, bare.duration_s) == (None, None, None)


def test_ids_may_be_integers_and_the_question_loses_its_outer_blanks() -> None:
    assert question(id=7).id == "7"
    assert question(question=" Why  now?\n").question == "Why  now?"


def test_texts_are_cleaned() -> None:
    odd = "a&nbsp;caf\u0065\u0301\u200b &amp; b"
    clean = "a\xa0café & b"
    read = question(
        question=odd, choices=[odd, "x"], answer=odd, events=[odd], paraphrases=[odd], other=odd
    )
    assert read.question == clean
    assert (read.choices[0], read.answer, read.events, read.paraphrases) == (
        *(clean, clean),
        *([clean], [clean]),
    )
    assert read.model_extra == {"other": odd}


@pytest.mark.parametrize(
    "wrong",
    [
        {"question": " \n"},
        {"question": "&nbsp;\u200b"},
        {"question": 3},
        {"question": "x" * (MAX_TEXT_CHARS + 1)},
        {"choices": None},
        {"choices": "A. B."},
        {"choices": [1, 2]},
        {"choices": ["A", " "]},
        {"choices": ["A. red", "B. "]},
        {"choices": ["(A)", "(B) blue"]},
        {"choices": {"x": 1}},
        {"choices": ["x" * (MAX_TEXT_CHARS + 1)]},
        {"video_path": ""},
        {"answer": 2},
        {"answer": "x" * (MAX_TEXT_CHARS + 1)},
        {"support_frames": None},
        {"support_frames": 2.5},
        {"support_frames": [1, -0.5]},
        {"support_frames": [float("nan")]},
        {"support_frames": ["2.5"]},
        {"support_frames": [True]},
        {"support_ranges": [[1, 2], [3]]},
        {"support_ranges": [[1, 2, 3]]},
        {"support_ranges": [[2, 1]]},
        {"support_ranges": [[-1, 1]]},
        {"support_ranges": [[0, float("inf")]]},
        {"scenes": [[1, 2]]},
        {"scenes": [[]]},
        {"span_s": [2, 1]},
        {"span_s": 3},
        {"duration_s": 0},
        {"duration_s": "9"},
        {"events": [""]},
        {"paraphrases": "x"},
        {"negative_frames": [-1]},
        {"video_aliases": [""]},
    ],
)
def test_odd_values_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        question(**wrong)


def test_texts_of_the_longest_length_are_read() -> None:
    assert len(question(question="x" * MAX_TEXT_CHARS).question) == MAX_TEXT_CHARS


@pytest.mark.parametrize("choices", [["A", "B"], ["5.", "1.", "2."], ["A.M.", "P.M."], ["1", "0"]])
def test_choices_that_only_look_blank_are_read(choices: list[str]) -> None:
    assert question(choices=choices).choices == choices


def test_every_field_says_what_is_wanted() -> None:
    assert all(field.description for field in Question.model_fields.values())
