from typing import Any

from infer.diagnosis.negative_frames import negative_frames
from infer.questions import Question


def question(**fields: Any) -> Question:
    record = {"id": "q", "question": "What?", "video_path": "v.mp4", "duration_s": 10.0}
    return Question.model_validate(record | fields)


def test_negatives_that_cannot_be_meant_are_found() -> None:
    questions = [
        question(id="a", support_frames=[2.0], negative_frames=[5.0, 2.0]),
        question(id="b", support_ranges=[[1.0, 3.0]], negative_frames=[3.0]),
        question(id="c", negative_frames=[9.9]),
        question(id="d", negative_frames=[1.0, 10.0]),
        question(id="e"),
    ]
    found = {one.kind: one for one in negative_frames(questions)}
    assert {name: one.ids for name, one in found.items()} == {
        "negatives_that_are_evidence": ["a", "b"],
        "negatives_outside": ["d"],
    }
    assert found["negatives_outside"].figures == {"questions": 1, "with_negatives": 4}
    assert not [*negative_frames(questions[2:3])]
