"""Read and validate files of records with an id, questions or answers; errors name the place.

Formats: the JSON object `{"data": [record, …]}`, a bare JSON list, or JSON lines.
"""

import json
import sys
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    Field,
    PlainValidator,
    StringConstraints,
    ValidationError,
)

from index.errors import CueframeError


def _text_of_integer(value: object) -> object:
    return str(value) if type(value) is int else value


def _path_text(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError("no path")
    return value


Text = Annotated[str, StringConstraints(pattern=r"\S")]
PathText = Annotated[str, PlainValidator(_path_text)]
"""A path; pydantic's own texts refuse the lone surrogates in one that is not UTF-8."""
Seconds = Annotated[float, Field(strict=True, ge=0, allow_inf_nan=False)]


class Record(BaseModel):
    """A record with an id. Errors about a field quote its description as what is wanted."""

    id: Annotated[Text, BeforeValidator(_text_of_integer)] = Field(
        description="a text that is not blank, or an integer"
    )


Kind = TypeVar("Kind", bound=Record)


def load_records(source: str | Path, kind: type[Kind], noun: str) -> list[Kind]:
    """Read and validate the records of a UTF-8 file, or of standard input where source is "-".

    Args:
        source: The file.
        kind: Class of each record.
        noun: Name of a record in errors: "question".

    Raises:
        CueframeError: One line that names the file and, as far as there is one, the record, the
            field, its value and what is wanted: file missing or not UTF-8, malformed JSON, none of
            the three formats, no record at all, an invalid record, a duplicate id.
    """
    name = "standard input" if str(source) == "-" else str(source)
    found = _records(_read(source, name, noun), set(kind.model_fields), name, noun)
    if not found:
        raise CueframeError(f"{name}: there is no {noun} in it; want at least one")
    records = []
    place_of_id: dict[str, str] = {}
    for place, raw in found:
        record = _valid(raw, kind, place, name, noun)
        if record.id in place_of_id:
            raise CueframeError(
                f"{name}: id {short(record.id)} stands twice, in {place_of_id[record.id]} "
                f"and in {place}; want an id of its own for each {noun}"
            )
        place_of_id[record.id] = place
        records.append(record)
    return records


def _read(source: str | Path, name: str, noun: str) -> str:
    try:
        data = sys.stdin.buffer.read() if str(source) == "-" else Path(source).read_bytes()
    except OSError as error:
        raise CueframeError(
            f"{name}: cannot be read ({error.strerror}); give a JSON file of {noun}s, or -"
        ) from error
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise CueframeError(
            f"{name}: byte {error.start} is not UTF-8; save the file as UTF-8"
        ) from error


def _records(text: str, fields: set[str], name: str, noun: str) -> list[tuple[str, object]]:
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
    elif isinstance(whole, dict) and whole.keys() & fields:
        whole = [whole]  # JSON lines, one line long
    if not isinstance(whole, list):
        raise CueframeError(
            f'{name}: {short(whole)} is not a list of {noun}s; want {{"data": [{noun}, …]}}, '
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


def _valid(record: object, kind: type[Kind], place: str, name: str, noun: str) -> Kind:
    """Validate one record; its error names the first field that is wrong."""
    if not isinstance(record, dict):
        raise CueframeError(f"{name}: {place} is {short(record)}; want a JSON object")
    try:
        return kind.model_validate(record)
    except ValidationError as invalid:
        error = invalid.errors(include_url=False)[0]
    field, *inner = error["loc"]
    where = f"{field}" + "".join(f"[{step}]" for step in inner)
    what = "is missing" if error["type"] == "missing" else f"is {short(error['input'])}"
    wanted = kind.model_fields[str(field)].description
    known = f"{noun} {short(record['id'])} ({place})" if _names(record.get("id")) else place
    raise CueframeError(f"{name}: {known}: {where} {what}; want {wanted}")


def _names(record_id: object) -> bool:
    return type(record_id) is int or (isinstance(record_id, str) and bool(record_id.strip()))


def short(value: object, width: int = 60) -> str:
    """Format a value for an error, cut if it is long."""
    shown = repr(value)
    return shown if len(shown) <= width else shown[: width - 1] + "…"
