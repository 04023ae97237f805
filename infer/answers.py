"""Answers as infer/answer.py writes them, read back: picked frames by question, or an error."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from index.errors import CueframeError
from infer.records import Record, Seconds, load_records


class Picked(BaseModel):
    """A picked frame."""

    model_config = ConfigDict(frozen=True, extra="allow")

    time_s: Seconds
    score: float | None = None
    """Cosine of text and frame, where the picker tells it."""


class Answer(Record):
    """One line of the answers. Keys that are not named here are kept as they are."""

    model_config = ConfigDict(frozen=True, extra="allow")

    frames: list[Picked] = Field(
        [], description='a list of frames, each {"time_s": seconds, finite and from 0 up}'
    )
    error: str | None = Field(None, description="a text, or null where there is none")


def load_answers(source: str | Path) -> list[Answer]:
    """Read and validate the answers of a file; "-" is standard input.

    Frames come back in order of time.

    Raises:
        CueframeError: As `infer.records.load_records`, and where an answer has neither frames nor
            an error.
    """
    answers = load_records(source, Answer, "answer")
    for one in answers:
        if not one.frames and one.error is None:
            raise CueframeError(
                f"{source}: answer {one.id!r} has neither frames nor an error; give the lines that "
                "infer/answer.py wrote"
            )
    return [
        one.model_copy(update={"frames": sorted(one.frames, key=lambda f: f.time_s)})
        for one in answers
    ]
