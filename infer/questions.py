"""Questions about videos: all the fields that one can have."""

from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, StringConstraints

from infer.records import PathText, Record, Seconds, Text
from infer.texts.choice_markers import blank_choices
from infer.texts.clean_text import MAX_TEXT_CHARS, clean_text


def _in_order(span_s: tuple[float, float]) -> tuple[float, float]:
    if span_s[0] > span_s[1]:
        raise ValueError("the range ends before it starts")
    return span_s


def _clean(text: object) -> object:
    if not isinstance(text, str):
        return text
    if len(text) > MAX_TEXT_CHARS:
        raise ValueError(f"{len(text)} characters")
    return clean_text(text)


def _no_blank_choice(choices: list[str]) -> list[str]:
    if blank_choices(choices):
        raise ValueError("a choice is blank")
    return choices


CleanText = Annotated[Text, BeforeValidator(_clean)]
"""A text as `infer.texts.clean_text` makes it, not blank and of `MAX_TEXT_CHARS` at most."""
RangeSeconds = Annotated[tuple[Seconds, Seconds], AfterValidator(_in_order)]


class Question(Record):
    """One question about one video: all fields that a question can have.

    Keys other than these are kept as they are. The texts are cleaned once, here, for training and
    asking alike.
    """

    model_config = ConfigDict(frozen=True, extra="allow")

    question: Annotated[CleanText, StringConstraints(strip_whitespace=True)] = Field(
        description=f"a text that is not blank, of {MAX_TEXT_CHARS} characters at most"
    )
    choices: Annotated[list[CleanText], AfterValidator(_no_blank_choice)] = Field(
        default_factory=list,
        description="a list of texts, none of them blank, each of "
        f"{MAX_TEXT_CHARS} characters at most",
    )
    video_path: PathText = Field(description="the path of the video, a text that is not blank")
    answer: Annotated[str, BeforeValidator(_clean)] | None = Field(
        None,
        description="one of the choices, its letter or its number from 0, or null where it is not "
        f"known; a text of {MAX_TEXT_CHARS} characters at most",
    )
    support_frames: list[Seconds] = Field(
        default_factory=list, description="a list of times in seconds, finite numbers from 0 up"
    )
    support_ranges: list[RangeSeconds] = Field(
        default_factory=list,
        description="a list of [start, end] in seconds, finite numbers with 0 ≤ start ≤ end",
    )
    scenes: list[Annotated[list[RangeSeconds], Field(min_length=1)]] = Field(
        default_factory=list,
        description="a list of scenes, each a list of its segments [start, end] in seconds, which "
        "count as one",
    )
    span_s: RangeSeconds | None = Field(
        None,
        description="[start, end] in seconds, the part of the video that is asked about, or null "
        "for the whole",
    )
    duration_s: Annotated[float, Field(strict=True, gt=0, allow_inf_nan=False)] | None = Field(
        None, description="the length of the video in seconds, above 0, or null where not known"
    )
    events: list[CleanText] = Field(
        default_factory=list,
        description="a list of texts in the order of what happens, none of them blank, each of "
        f"{MAX_TEXT_CHARS} characters at most",
    )
    paraphrases: list[CleanText] = Field(
        default_factory=list,
        description="a list of other wordings or translations, each a text that is not blank",
    )
    negative_frames: list[Seconds] = Field(
        default_factory=list,
        description="a list of times in seconds that do not answer, finite numbers from 0 up",
    )
    video_aliases: list[PathText] = Field(
        default_factory=list,
        description="a list of other names of the video, tried in order where video_path is not "
        "found",
    )


def frames_asked(question: Question, k: int) -> int:
    """Return how many frames a question asks for: one for each of its events, or K without any."""
    return len(question.events) or k
