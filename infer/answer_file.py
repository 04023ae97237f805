"""Read the answers that infer/answer.py wrote: picked frames of each question, or an error.

If a reader answered, its answer is in the same record; if it answered from several kinds of frames,
there is one answer for each kind.
"""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    field_validator,
    model_validator,
)

from infer.record_files.raw_records import read_raw_records, source_name
from infer.records import Record, RecordFile, Seconds, validated

Share = Annotated[float, Field(strict=True, ge=0, le=1)]


class Picked(BaseModel):
    """A picked frame."""

    model_config = ConfigDict(frozen=True, extra="allow")

    time_s: Seconds
    score: float | None = None
    """Cosine of text and frame, if the picker gives it."""
    tile: tuple[Share, Share, Share, Share] | None = None
    """Left, top, right and bottom of the tile that has this score, as fractions of the frame."""


class Chosen(BaseModel):
    """A reader's answer: a choice with its letter, or free text without one."""

    model_config = ConfigDict(frozen=True, extra="allow")

    text: str
    letter: Annotated[str, StringConstraints(pattern="^[A-Z]$")] | None = None
    undecided: str | None = None
    """Why a reader that chooses has no letter."""
    probabilities: dict[str, Share] | None = None
    """Probability of each choice's letter, if the reader gives them."""


ReaderFrames = Literal["picked", "uniform", "support", "all"]
"""Kinds of frames that a reader can see, defined in `infer.readers.shown_frames`."""

_CHOSEN = '{"letter": one from A to Z, "text": a text, "probabilities": {letter: from 0 to 1, …}}'


class Answer(Record):
    """One line of an answers file. Keys other than these fields are kept as they are."""

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

    @field_validator("frames")
    @classmethod
    def _by_time(cls, frames: list[Picked]) -> list[Picked]:
        return sorted(frames, key=lambda frame: frame.time_s)

    @model_validator(mode="after")
    def _has_content(self) -> "Answer":
        if not self.frames and self.error is None:
            raise ValueError(
                "it has neither frames nor an error; give the lines that infer/answer.py wrote"
            )
        return self

    @property
    def by_frames(self) -> dict[ReaderFrames, Chosen]:
        """The reader's answers by the frames it saw; a single `answer` is from the picked ones."""
        if self.answers or self.answer is None:
            return self.answers
        return {"picked": self.answer}


def load_answers(source: str | Path) -> RecordFile[Answer]:
    """Read and validate the answers of a file; "-" is standard input. Frames are sorted by time.

    Raises:
        CueframeError: The file cannot be read, or none of its lines can be used.
    """
    raws = read_raw_records(source, "answer", Answer.model_fields.__contains__)
    return validated(raws, Answer, "answer", source_name(source))
