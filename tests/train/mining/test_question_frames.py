"""The key by which a question counts as mined."""

from typing import Any

from infer.questions import Question
from train.mining.question_frames import question_key


def key(caption: str | None = None, content_hash: str = "ab12", **labels: Any) -> str:
    record = {"id": "q", "question": "?", "video_path": "v.mp4"}
    return question_key(Question.model_validate(record | labels), content_hash, caption)


OLD: dict[str, Any] = {"support_frames": [2.0, 1.5, 2.0], "support_ranges": [[1, 2.5]]}


def test_questions_without_scenes_and_span_keep_the_keys_of_older_manifests() -> None:
    assert key(**OLD) == "c369bfa22420936b"
    assert key("What?", **OLD) == "ddbecc676dc70ff5"


def test_whatever_changes_the_frames_changes_the_key() -> None:
    keys = {
        key(**OLD),
        key("What?", **OLD),
        key(None, "cd34", **OLD),
        key(**OLD | {"support_frames": [1.5, 2.0, 2.0]}),
        key(**OLD | {"support_ranges": []}),
        key(**OLD | {"scenes": [[[1, 2], [3, 4]]]}),
        key(**OLD | {"scenes": [[[1, 2]], [[3, 4]]]}),
        key(**OLD | {"span_s": [0, 0]}),
        key(**OLD | {"span_s": [0, 9]}),
        key(**OLD | {"negative_frames": [0, 9]}),
    }
    assert len(keys) == 10
