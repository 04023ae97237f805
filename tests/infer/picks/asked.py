"""Questions for the tests of picks."""

from typing import Any

from infer.questions import Question


def asked(*records: dict[str, Any]) -> list[Question]:
    """Questions q0, q1, …; what is missing is made up."""
    plain = {"question": "Which colour?", "video_path": "videos/a.mp4"}
    return [
        Question.model_validate({"id": f"q{n}"} | plain | record)
        for n, record in enumerate(records)
    ]
