"""Validate records with an id, questions or answers, one by one; errors name the place."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any, Generic, NamedTuple, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    Field,
    PlainValidator,
    StringConstraints,
    ValidationError,
)

from index.errors import CueframeError
from index.messages import print_some, say
from infer.record_files.raw_records import RawRecord
from infer.record_files.spooled_records import SpooledRecords


def _text_of_integer(value: object) -> object:
    return str(value) if type(value) is int else value


_LONGEST_PATH = 4096
"""Characters; no system opens a longer one, and its tails would take a square of the time."""


def _path_text(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError("no path")
    if len(value) > _LONGEST_PATH:
        raise ValueError("longer than a path")
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


MOST_REFUSED = 100
"""Maximum number of refused records that are named: whoever mends a file needs more than a few."""

Kind = TypeVar("Kind", bound=Record)


class RefusedRecord(NamedTuple):
    """A record that cannot be used."""

    place: str
    """Where it stands in its file: "record 3"."""
    after: int
    """How many good records stand before it."""
    id: str | None
    """Its id, or None where it has none that can be used."""
    video_path: str
    """Its video_path, or "" where it has none."""
    error: str
    """What is wrong, with what is wanted."""


class RecordFile(NamedTuple, Generic[Kind]):
    """The records of a file: the good ones, and those that cannot be used."""

    name: str
    records: Sequence[Kind]
    refused: list[RefusedRecord]
    complete: bool = True
    """Whether all that the file and its labels hold could be used."""

    def in_order(self) -> Iterator[Kind | RefusedRecord]:
        """Yield all records as they stand in the file."""
        refused = deque(self.refused)
        for number in range(len(self.records) + 1):
            while refused and refused[0].after == number:
                yield refused.popleft()
            if number < len(self.records):
                yield self.records[number]

    def print_refused(self, noun: str, see: str = "") -> None:
        """Print the refused records to stderr, all together; see `index.messages.print_some`."""
        lines = [f"{one.place}: {one.error}" for one in self.refused]
        print_some(f"not read: {self.name}", lines, see, MOST_REFUSED)
        if lines:
            total = len(lines) + len(self.records)
            say(f"{len(lines)} of {total} {noun}s cannot be used")


def validated(
    raws: Iterable[RawRecord],
    kind: type[Kind],
    noun: str,
    name: str,
    fields_of: Callable[[RawRecord], Mapping[str, Any]] = lambda raw: as_object(raw.value),
) -> RecordFile[Kind]:
    """Validate records one by one.

    Args:
        raws: The records.
        kind: Class of each record.
        noun: Name of a record in errors: "question".
        name: Name of the file in errors.
        fields_of: Gives a record its fields under the names of `kind`; may raise ValueError.

    Raises:
        CueframeError: No record can be used; the first errors are in the line.
    """
    refused: list[RefusedRecord] = []
    place_of_id: dict[int, str] = {}  # by hash: ids may be long, and many

    def good() -> Iterable[Kind]:
        count = 0
        for raw in raws:
            error = raw.error
            record = None
            there: Mapping[str, Any] = raw.value if isinstance(raw.value, dict) else {}
            if error is None:
                try:
                    there = fields_of(raw)
                    record = _valid(there, kind)
                    first = place_of_id.setdefault(hash(record.id), raw.place)
                    if first != raw.place:
                        error = (
                            f"id {short(record.id)} stands twice, in {first} and in {raw.place}; "
                            f"want an id of its own for each {noun}"
                        )
                except ValueError as wrong:
                    error = str(wrong)
            if record is not None and error is None:
                count += 1
                yield record
                continue
            known, path = there.get("id"), there.get("video_path")
            own = str(known) if _names(known) else None
            about = f"{noun} {short(known)}: " if _names(known) and not record else ""
            video = path if isinstance(path, str) else ""
            refused.append(RefusedRecord(raw.place, count, own, video, f"{about}{error}"))

    records = SpooledRecords(kind, good())
    if not records and refused:
        first = "; ".join(f"{one.place}: {one.error}" for one in refused[:3])
        more = f"; and {len(refused) - 3} more" if len(refused) > 3 else ""
        raise CueframeError(f"{name}: {first}{more}")
    if not records:
        raise CueframeError(f"{name}: there is no {noun} in it; want at least one")
    return RecordFile(name, records, refused, not refused)


def as_object(value: object) -> dict[str, Any]:
    """Return a record that is a JSON object; ValueError if it is something else."""
    if not isinstance(value, dict):
        raise ValueError(f"it is {short(value)}; want a JSON object")  # noqa: TRY004 - one kind of error for a bad record
    return value


def _valid(record: Mapping[str, Any], kind: type[Kind]) -> Kind:
    """Validate one record; its error names the first field that is wrong."""
    try:
        return kind.model_validate(record)
    except ValidationError as invalid:
        error = invalid.errors(include_url=False)[0]
    if not error["loc"]:  # of the record as a whole
        raise ValueError(error["msg"].removeprefix("Value error, "))
    field, *inner = error["loc"]
    where = f"{field}" + "".join(f"[{step}]" for step in inner)
    what = "is missing" if error["type"] == "missing" else f"is {short(error['input'])}"
    raise ValueError(f"{where} {what}; want {kind.model_fields[str(field)].description}")


def _names(record_id: object) -> bool:
    return type(record_id) is int or (isinstance(record_id, str) and bool(record_id.strip()))


def short(value: object, width: int = 60) -> str:
    """Format a value for an error, cut if it is long."""
    try:
        shown = repr(value)
    except RecursionError:
        shown = f"{type(value).__name__} of many levels"
    return shown if len(shown) <= width else shown[: width - 1] + "…"
