"""Records inside others."""

import json
from pathlib import Path

import pytest

from infer.question_files.loading import load_questions

ASK = [{"id": "q1", "question": "a?"}, {"id": "q2", "question": "b?"}]
BOTH = [one | {"video_path": "v"} for one in ASK]


@pytest.mark.parametrize(
    "layout",
    [
        {"rows": [{"row_idx": n, "row": one} for n, one in enumerate(BOTH)]},
        [{"id": 7, "data": one} for one in BOTH],
        [{"video_path": "v", "questions": ASK}],
        [{"video": "v", "id": 7, "qa": [{"qid": o["id"], "Question": o["question"]} for o in ASK]}],
        {"data": {one["id"]: one for one in BOTH}},
        {"result": {"data": BOTH}},
        {"_meta": {"x": 1}, "q1": BOTH[0], "q2": BOTH[1]},
        {key: [one[key] for one in BOTH] for key in BOTH[0]},
        {key: {str(n): one[key] for n, one in enumerate(BOTH)} for key in BOTH[0]},
    ],
)
def test_layouts(tmp_path: Path, layout: object) -> None:
    path = tmp_path / "q.json"
    path.write_text(json.dumps(layout))
    read = load_questions(path)
    assert [(one.id, one.question, one.video_path) for one in read] == [
        ("q1", "a?", "v"),
        ("q2", "b?", "v"),
    ]


def test_questions_without_ids_are_named_after_their_video(tmp_path: Path) -> None:
    path = tmp_path / "q.json"
    asked = [{"question": "a?", "choices": ["x", "y"]}, {"question": "b?"}]
    path.write_text(json.dumps([{"id": "v7", "video": "v7.mp4", "qa": asked}]))
    assert [one.id for one in load_questions(path)] == ["v7-1", "v7-2"]


def test_a_list_of_something_else_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "q.json"
    path.write_text(json.dumps([BOTH[0] | {"turns": [{"question": "c?"}], "data": {"x": 1}}]))
    (one,) = load_questions(path)
    assert one.model_extra == {"turns": [{"question": "c?"}], "data": {"x": 1}}
