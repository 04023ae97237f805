"""Questions about videos: read and validated, put into words for the encoder, matched to files.

Formats: the JSON object `{"data": [question, …]}`, a bare JSON list, or JSON lines.
"""

import json
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
)

from index.errors import CueframeError


def _text_of_integer(value: object) -> object:
    return str(value) if type(value) is int else value


def _in_order(span_s: tuple[float, float]) -> tuple[float, float]:
    if span_s[0] > span_s[1]:
        raise ValueError("the range ends before it starts")
    return span_s


Text = Annotated[str, StringConstraints(pattern=r"\S")]
Seconds = Annotated[float, Field(strict=True, ge=0, allow_inf_nan=False)]
RangeSeconds = Annotated[tuple[Seconds, Seconds], AfterValidator(_in_order)]


class Question(BaseModel):
    """One question about one video. Keys that are not named here are kept as they are.

    A field's description is also what the error about a bad value says is wanted.
    """

    model_config = ConfigDict(frozen=True, extra="allow")

    id: Annotated[Text, BeforeValidator(_text_of_integer)] = Field(
        description="a text that is not blank, or an integer"
    )
    question: Annotated[Text, StringConstraints(strip_whitespace=True)] = Field(
        description="a text that is not blank"
    )
    choices: list[Text] = Field([], description="a list of texts, none of them blank")
    video_path: Text = Field(description="the path of the video, a text that is not blank")
    answer: str | None = Field(None, description="a text, or null where it is not known")
    support_frames: list[Seconds] = Field(
        [], description="a list of times in seconds, finite numbers from 0 up"
    )
    support_ranges: list[RangeSeconds] = Field(
        [], description="a list of [start, end] in seconds, finite numbers with 0 ≤ start ≤ end"
    )


def load_questions(source: str | Path) -> list[Question]:
    """Read and validate the questions of a UTF-8 file, or of standard input where source is "-".

    Raises:
        CueframeError: one line that names the file and, as far as there is one, the record, the
            field, its value and what is wanted: file missing or not UTF-8, malformed JSON,
            another shape than the three formats, no question at all, an invalid record, an id
            that stands twice.
    """
    name = "standard input" if str(source) == "-" else str(source)
    records = _records(_read(source, name), name)
    if not records:
        raise CueframeError(f"{name}: there is no question in it; want at least one")
    questions = []
    place_of_id: dict[str, str] = {}
    for place, record in records:
        question = _question(record, place, name)
        if question.id in place_of_id:
            raise CueframeError(
                f"{name}: id {_short(question.id)} stands twice, in {place_of_id[question.id]} "
                f"and in {place}; want an id of its own for each question"
            )
        place_of_id[question.id] = place
        questions.append(question)
    return questions


def caption(question: Question, setting: int) -> str:
    """Make the text that the encoder reads for a question, for training and answering alike.

        1  the question                 What colour is it?
        2  the choices                  A. Red B. Blue
        3  the question, the choices    What colour is it? A. Red B. Blue

    The parts are joined by one space, without labels or signs of our own; blanks, tabs and line
    ends inside them become one space too. A question without choices is itself in setting 3.

    Raises:
        CueframeError: setting 2 for a question without choices, or a setting other than these.
    """
    if setting not in (1, 2, 3):
        raise CueframeError(
            f"--caption {setting} is unknown; want 1 (question), 2 (choices) or 3 (both)"
        )
    if setting == 2 and not question.choices:
        raise CueframeError(
            f"question {_short(question.id)} has no choices, and --caption 2 reads nothing else; "
            "use --caption 1"
        )
    parts = {1: [question.question], 2: question.choices, 3: [question.question, *question.choices]}
    return " ".join(" ".join(parts[setting]).split())


def by_tail(paths: Iterable[str]) -> dict[str, list[str]]:
    """Map every tail of every path (`x.mp4`, `videos/x.mp4`, …) to the paths that end in it."""
    tails: dict[str, list[str]] = {}
    for path in dict.fromkeys(paths):
        for tail in _tails(path):
            tails.setdefault(tail, []).append(path)
    return tails


def find_video(video_path: str, tails: dict[str, list[str]]) -> list[str]:
    """Find the paths that share the longest common tail with video_path, in the order given.

    Components are compared whole and case-sensitively, `\\` and `/` alike; the file name at least
    must agree, else the list is empty. tails comes from `by_tail`. What several paths mean is for
    the caller to say: copies of one content are one video, different contents an error.
    """
    return next((tails[tail] for tail in _tails(video_path) if tail in tails), [])


def _tails(path: str) -> list[str]:
    """List the tails of a path, the longest first, with `/` between components."""
    parts = [part for part in re.split(r"[\\/]", path) if part not in ("", ".")]
    return ["/".join(parts[start:]) for start in range(len(parts))]


def _read(source: str | Path, name: str) -> str:
    try:
        data = sys.stdin.buffer.read() if str(source) == "-" else Path(source).read_bytes()
    except OSError as error:
        raise CueframeError(
            f"{name}: cannot be read ({error.strerror}); give a JSON file of questions, or -"
        ) from error
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise CueframeError(
            f"{name}: byte {error.start} is not UTF-8; save the file as UTF-8"
        ) from error


def _records(text: str, name: str) -> list[tuple[str, object]]:
    """Split a text into its records, each with its place ("record 3", "line 3")."""
    lines = [  # split, not splitlines: a JSON string may hold U+2028
        (number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()
    ]
    if not lines:
        return []
    if len(lines) > 1 and _is_object(lines[0][1]):
        return [(f"line {number}", _parse(line, name, number)) for number, line in lines]
    whole = _parse(text, name, 1)
    if isinstance(whole, dict) and isinstance(whole.get("data"), list):
        whole = whole["data"]
    elif isinstance(whole, dict) and whole.keys() & {"id", "question", "video_path"}:
        whole = [whole]  # JSON lines, one line long
    if not isinstance(whole, list):
        raise CueframeError(
            f'{name}: {_short(whole)} is not a list of questions; want {{"data": [question, …]}}, '
            "a list, or JSON lines"
        )
    return [(f"record {number}", record) for number, record in enumerate(whole, 1)]


def _is_object(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def _parse(text: str, name: str, first_line: int) -> object:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        line = first_line + error.lineno - 1
        raise CueframeError(
            f"{name}: line {line}, column {error.colno}: {error.msg}; mend the JSON there"
        ) from error
    except (ValueError, RecursionError) as error:  # a number too long, brackets too deep
        raise CueframeError(f"{name}: the JSON from line {first_line} on: {error}") from error


def _question(record: object, place: str, name: str) -> Question:
    """Validate one record; its error names the first field that is wrong."""
    if not isinstance(record, dict):
        raise CueframeError(f"{name}: {place} is {_short(record)}; want a JSON object")
    try:
        return Question.model_validate(record)
    except ValidationError as invalid:
        error = invalid.errors(include_url=False)[0]
    field, *inner = error["loc"]
    where = f"{field}" + "".join(f"[{step}]" for step in inner)
    what = "is missing" if error["type"] == "missing" else f"is {_short(error['input'])}"
    wanted = Question.model_fields[str(field)].description
    known = f"question {_short(record['id'])} ({place})" if _names(record.get("id")) else place
    raise CueframeError(f"{name}: {known}: {where} {what}; want {wanted}")


def _names(record_id: object) -> bool:
    return type(record_id) is int or (isinstance(record_id, str) and bool(record_id.strip()))


def _short(value: object, width: int = 60) -> str:
    shown = repr(value)
    return shown if len(shown) <= width else shown[: width - 1] + "…"
