"""Answers read back, and what is wrong with a file of them."""

import json
from pathlib import Path
from typing import Any

import pytest

from index.errors import CueframeError
from infer.answer_file import load_answers


def write(tmp_path: Path, *records: dict[str, Any]) -> Path:
    path = tmp_path / "answers.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def test_what_answer_writes_is_read_back(tmp_path: Path) -> None:
    frames = [{"segment": 0, "row": 7, "time_s": 3.44, "score": 0.25}, {"time_s": 9}]
    path = write(
        tmp_path,
        {"id": "a", "video": "x.mp4", "pick": "quarters", "frames": frames},
        {"id": "b", "video_path": "y.mp4", "error": "not in the index"},
    )
    first, second = load_answers(path).records
    assert (first.id, first.error) == ("a", None)
    assert [(frame.time_s, frame.score) for frame in first.frames] == [(3.44, 0.25), (9.0, None)]
    assert (second.frames, second.error) == ([], "not in the index")


def test_a_readers_answers_are_read_back(tmp_path: Path) -> None:
    frames = [{"time_s": 1}]
    chosen = {"letter": "B", "text": "B. Sai", "probabilities": {"A": 0, "B": 1}}
    free = {"text": "Màu đỏ"}
    path = write(
        tmp_path,
        {"id": "a", "frames": frames, "reader": "clip", "answer": chosen},
        {
            "id": "b",
            "frames": frames,
            "answer": chosen,
            "answers": {"support": free, "all": chosen},
        },
        {"id": "c", "frames": frames, "answer": None},
    )
    one, several, none = load_answers(path).records
    assert one.reader == "clip"
    assert one.answer is not None
    assert (one.answer.letter, one.answer.probabilities) == ("B", {"A": 0, "B": 1})
    assert one.by_frames == {"picked": one.answer}
    assert list(several.by_frames) == ["support", "all"]
    assert (several.by_frames["support"].text, several.by_frames["support"].letter) == (
        "Màu đỏ",
        None,
    )
    assert (none.reader, none.by_frames) == (None, {})


def test_frames_come_in_order_of_time(tmp_path: Path) -> None:
    path = write(tmp_path, {"id": "a", "frames": [{"time_s": 4}, {"time_s": 1.5}]})
    assert [frame.time_s for frame in load_answers(path).records[0].frames] == [1.5, 4.0]


@pytest.mark.parametrize(
    ("record", "wanted"),
    [
        ({"id": "a"}, "answer 'a': it has neither frames nor an error"),
        ({"id": "a", "frames": []}, "answer 'a': it has neither frames nor an error"),
        ({"id": "a", "frames": [{"time_s": -1}]}, "frames[0][time_s] is -1; want a list of frames"),
        ({"id": "a", "frames": [{}]}, "frames[0][time_s] is missing"),
        ({"id": "a", "frames": 3}, "frames is 3"),
        ({"frames": [{"time_s": 1}]}, "id is missing"),
        ({"id": "a", "answer": "B. Sai"}, "answer is 'B. Sai'; want what a reader answers, {"),
        ({"id": "a", "answer": {"letter": "B"}}, "answer[text] is missing"),
        ({"id": "a", "answer": {"text": "", "letter": "b"}}, "answer[letter] is 'b'; want what"),
        (
            {"id": "a", "answer": {"text": "", "probabilities": {"A": 1.5}}},
            "answer[probabilities][A] is 1.5",
        ),
        ({"id": "a", "answers": {"best": {"text": ""}}}, "picked, uniform, support or all"),
        ({"id": "a", "answers": {"all": {"text": 1}}}, "answers[all][text] is 1; want answers by"),
    ],
)
def test_a_bad_answer_is_one_line(tmp_path: Path, record: dict[str, Any], wanted: str) -> None:
    with pytest.raises(CueframeError) as error:
        load_answers(write(tmp_path, record))
    assert wanted in str(error.value)
    assert "\n" not in str(error.value)


def test_an_odd_line_costs_itself_alone(tmp_path: Path) -> None:
    one = {"id": "a", "frames": [{"time_s": 1}]}
    file = load_answers(write(tmp_path, one, one, {"id": "b"}))
    assert [answer.id for answer in file.records] == ["a"]
    assert file.refused[0].error.startswith("id 'a' stands twice, in line 1 and in line 2")
    assert file.refused[1].error.startswith("answer 'b': it has neither frames nor an error")
