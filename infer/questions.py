"""Questions about videos: read and validate them, make the encoder's text, match them to files."""

import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, ConfigDict, Field, StringConstraints

from index.errors import CueframeError
from infer.records import PathText, Record, Seconds, Text, load_records, short


def _in_order(span_s: tuple[float, float]) -> tuple[float, float]:
    if span_s[0] > span_s[1]:
        raise ValueError("the range ends before it starts")
    return span_s


RangeSeconds = Annotated[tuple[Seconds, Seconds], AfterValidator(_in_order)]


class Question(Record):
    """One question about one video. Keys other than these fields are kept as they are."""

    model_config = ConfigDict(frozen=True, extra="allow")

    question: Annotated[Text, StringConstraints(strip_whitespace=True)] = Field(
        description="a text that is not blank"
    )
    choices: list[Text] = Field([], description="a list of texts, none of them blank")
    video_path: PathText = Field(description="the path of the video, a text that is not blank")
    answer: str | None = Field(None, description="a text, or null where it is not known")
    support_frames: list[Seconds] = Field(
        [], description="a list of times in seconds, finite numbers from 0 up"
    )
    support_ranges: list[RangeSeconds] = Field(
        [], description="a list of [start, end] in seconds, finite numbers with 0 ≤ start ≤ end"
    )
    scenes: list[Annotated[list[RangeSeconds], Field(min_length=1)]] = Field(
        [],
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
    events: list[Text] = Field([], description="a list of texts in the order of what they tell")
    paraphrases: list[Text] = Field([], description="a list of other wordings, each a text")
    negative_frames: list[Seconds] = Field(
        [], description="a list of times in seconds that do not answer, finite numbers from 0 up"
    )


def load_questions(source: str | Path) -> list[Question]:
    """Read and validate the questions of a file; "-" is standard input.

    Raises:
        CueframeError: As `infer.records.load_records`.
    """
    return load_records(source, Question, "question")


def caption(question: Question, setting: int) -> str:
    """Make the text that the encoder reads for a question, for training and answering alike.

        1  the question                 What colour is it?
        2  the choices                  A. Red B. Blue
        3  the question, the choices    What colour is it? A. Red B. Blue

    The parts are joined by one space, without added labels or punctuation; blanks, tabs and line
    ends inside them become one space too. Without choices, setting 3 gives the question alone.

    Raises:
        CueframeError: Setting 2 for a question without choices, or a setting other than these.
    """
    if setting not in (1, 2, 3):
        raise CueframeError(
            f"--caption {setting} is unknown; want 1 (question), 2 (choices) or 3 (both)"
        )
    if setting == 2 and not question.choices:
        raise CueframeError(
            f"question {short(question.id)} has no choices, and --caption 2 reads nothing else; "
            "use --caption 1"
        )
    parts = {1: [question.question], 2: question.choices, 3: [question.question, *question.choices]}
    return " ".join(" ".join(parts[setting]).split())


def comparable(path: str) -> str:
    """Return a path in the one form in which paths are compared; files are opened by their own.

    macOS writes an accent as a character of its own (NFD), most others compose them (NFC). Bytes
    that are not UTF-8 are lone surrogates in Python, and U+FFFD in files of most other programs.
    """
    return unicodedata.normalize("NFC", re.sub("[\ud800-\udfff\ufffd]+", "\ufffd", path))


def by_tail(paths: Iterable[str]) -> dict[str, list[str]]:
    """Map every `comparable` tail (`x.mp4`, `videos/x.mp4`, …) to the paths that end in it."""
    tails: dict[str, list[str]] = {}
    for path in dict.fromkeys(paths):
        for tail in tails_of(comparable(path)):
            tails.setdefault(tail, []).append(path)
    return tails


def find_video(video_path: str, tails: dict[str, list[str]]) -> list[str]:
    """Find the paths that share the longest common tail with video_path, in the order given.

    Components are compared whole and case-sensitively, `\\` and `/` alike, and as `comparable`
    makes them; of several paths those count that are written just so, if there are any. At least
    the file name must agree, else the list is empty. `tails` comes from `by_tail`. The caller
    decides what several paths mean: copies of one content are one video, different contents an
    error.
    """
    for tail in tails_of(video_path):
        if found := tails.get(comparable(tail)):
            return [path for path in found if tail in tails_of(path)] or found
    return []


def tails_of(path: str) -> list[str]:
    """List the tails of a path, the longest first, with `/` between components."""
    parts = [part for part in re.split(r"[\\/]", path) if part not in ("", ".")]
    return ["/".join(parts[start:]) for start in range(len(parts))]
