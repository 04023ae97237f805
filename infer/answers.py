"""Answers as infer/answer.py writes them, read back: picked frames by question, or an error.

Where a reader answered from frames, its answer stands beside them; where it answered several times,
each answer by the frames that it saw.
"""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from index.errors import CueframeError
from infer.records import Record, Seconds, load_records


class Picked(BaseModel):
    """A picked frame."""

    model_config = ConfigDict(frozen=True, extra="allow")

    time_s: Seconds
    score: float | None = None
    """Cosine of text and frame, where the picker tells it."""


class Chosen(BaseModel):
    """What a reader answers: a choice by its letter, or free text without one."""

    model_config = ConfigDict(frozen=True, extra="allow")

    text: str
    letter: Annotated[str, StringConstraints(pattern="^[A-Z]$")] | None = None
    probabilities: dict[str, Annotated[float, Field(strict=True, ge=0, le=1)]] | None = None
    """Of each choice's letter, where the reader tells them."""


ReaderFrames = Literal["picked", "uniform", "support", "all"]
"""The frames that a reader saw; `infer.shown` says which they are."""

_CHOSEN = '{"letter": one from A to Z, "text": a text, "probabilities": {letter: from 0 to 1, …}}'


class Answer(Record):
    """One line of the answers. Keys that are not named here are kept as they are."""

    model_config = ConfigDict(frozen=True, extra="allow")

    frames: list[Picked] = Field(
        [], description='a list of frames, each {"time_s": seconds, finite and from 0 up}'
    )
    error: str | None = Field(None, description="a text, or null where there is none")
    reader: str | None = Field(None, description="the reader's name, or null where there is none")
    answer: Chosen | None = Field(
        None, description=f"what a reader answers, {_CHOSEN}, or of these the text alone"
    )
    answers: dict[ReaderFrames, Chosen] = Field(
        {},
        description="answers by the frames that the reader saw, picked, uniform, support or all, "
        f"each {_CHOSEN}, or of these the text alone",
    )

    @property
    def by_frames(self) -> dict[ReaderFrames, Chosen]:
        """The reader's answers by the frames it saw; a single `answer` is of the picked ones."""
        if self.answers or self.answer is None:
            return self.answers
        return {"picked": self.answer}


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
