"""Read the records of a file before anything is validated, in bounded memory.

A file is JSON (a list, an object around a list such as `{"data": [record, …]}`, an object of
records by id), JSON lines, CSV or Parquet. One record that cannot be read costs only itself.
"""

import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple

from index.errors import CueframeError
from index.temporary_files import explain_temporary
from infer.record_files.json_stream import (
    MAX_RECORD_BYTES,
    BrokenJsonError,
    TooLongError,
    split_records,
)
from infer.record_files.tables import Row, csv_rows, parquet_rows, separator_of

_IN_MEMORY_BYTES = 8 << 20
"""Longest standard input that is held in memory; a longer one goes through a file."""
_BLOCK_BYTES = 1 << 20
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


_JSON = (".json", ".jsonl", ".ndjson")
_NO_TEXT = {
    b"\xff\xfe": "UTF-16; save the file as UTF-8",
    b"\xfe\xff": "UTF-16; save the file as UTF-8",
    b"\x1f\x8b": "packed by gzip; unpack it",
    b"PK\x03\x04": "a ZIP or Excel file; unpack it, or save it as CSV",
    b"ARRO": "an Arrow file; save it as Parquet",
}
"""What a file is that begins with these bytes, and what to do."""

TableRows = Callable[[IO[bytes], str], Iterator[tuple[int, Row | str]]]
"""Yields the rows of a table of a name: the number of each row's line, and the row or what is wrong
with it; see `infer.record_files.tables.csv_rows`."""


class RawRecord(NamedTuple):
    """A record as it stands in its file, or why it cannot be read."""

    place: str
    """Where it stands: "record 3", "line 3"."""
    value: object
    """What stands there."""
    key: str | None = None
    """Its key, where the file is an object of records."""
    error: str | None = None
    """What is wrong with it."""


def read_raw_records(
    source: str | Path,
    noun: str,
    is_field: Callable[[str], bool],
    *,
    plain_lines: bool = False,
    table: TableRows | None = None,
) -> Iterator[RawRecord]:
    """Yield the records of a file, or of standard input where source is "-".

    Args:
        source: The file.
        noun: Name of a record in errors: "question".
        is_field: Whether a key is the name of a field of a record.
        plain_lines: Whether a file that is neither a table nor JSON, or ends in .txt and is no
            table, holds a text on each line that is not blank.
        table: Reads the rows of a table whose columns may have no names; any file that is not JSON
            is then one.

    Raises:
        CueframeError: The file cannot be read, or is in no format that is known.
    """
    name = source_name(source)
    with _opened(source, name, noun) as file:
        start = file.read(4)
        file.seek(0)
        suffix = Path(source).suffix.lower()
        for magic, what in _NO_TEXT.items():
            if start.startswith(magic):
                raise CueframeError(f"{name}: it is {what}")
        if start == b"PAR1" or suffix == ".parquet":
            for number, row in parquet_rows(file, name):
                yield RawRecord(f"record {number}", row)
        elif (
            suffix in (".csv", ".tsv")
            or _has_head(file, is_field)
            or (table and suffix not in _JSON and not _begins_as_json(file))
        ):
            for number, found in (table or csv_rows)(file, name):
                error = found if isinstance(found, str) else None
                yield RawRecord(f"line {number}", None if error else found, error=error)
        elif plain_lines and (
            suffix == ".txt" or (suffix not in _JSON and not _begins_as_json(file))
        ):
            yield from _text_lines(file)
        else:
            yield from _json_records(file, suffix, name, noun, is_field)


def source_name(source: str | Path) -> str:
    """Return the name of a file in messages."""
    return "standard input" if str(source) == "-" else str(source)


@contextmanager
def _opened(source: str | Path, name: str, noun: str) -> Iterator[IO[bytes]]:
    try:
        if str(source) == "-":
            with _spooled(sys.stdin.buffer) as spooled:
                yield spooled
        else:
            with Path(source).open("rb") as file:
                if file.seekable():
                    yield file
                    return
                with _spooled(file) as spooled:
                    yield spooled
    except OSError as error:
        raise CueframeError(
            f"{name}: cannot be read ({error.strerror or error}); give a file of {noun}s, or -"
        ) from error


@contextmanager
def _spooled(file: IO[bytes]) -> Iterator[IO[bytes]]:
    """Yield what a stream holds, as a file that can be read twice."""
    with tempfile.SpooledTemporaryFile(_IN_MEMORY_BYTES) as spooled:
        while block := file.read(_BLOCK_BYTES):
            with explain_temporary():
                spooled.write(block)
        spooled.seek(0)
        yield spooled


def _has_head(file: IO[bytes], is_field: Callable[[str], bool]) -> bool:
    """Return whether a file is a table: its first line names two fields of a record."""
    line = file.readline(1 << 16).decode("utf-8-sig", errors="replace")
    file.seek(0)
    names = [name.strip('" \r\n') for name in line.split(separator_of(line))]
    return line.lstrip()[:1] not in ("[", "{") and sum(map(is_field, names)) >= 2


def _begins_as_json(file: IO[bytes]) -> bool:
    """Return whether the first character of a file that is no blank is a bracket."""
    start = b""
    while not start:
        block = file.read(_BLOCK_BYTES)
        start = block.removeprefix(_BYTE_ORDER_MARK).lstrip()[:1]
        if not block:
            break
    file.seek(0)
    return start in (b"[", b"{")


def _text_lines(file: IO[bytes]) -> Iterator[RawRecord]:
    for number, raw in _lines(file):
        place = f"line {number}"
        if isinstance(raw, TooLongError):
            yield RawRecord(place, None, error=f"{raw}; shorten it")
            continue
        try:
            yield RawRecord(place, raw.removeprefix(_BYTE_ORDER_MARK).decode())
        except UnicodeDecodeError as error:
            yield RawRecord(place, None, error=f"byte {error.start} of it is not UTF-8; save it so")


def _json_records(
    file: IO[bytes], suffix: str, name: str, noun: str, is_field: Callable[[str], bool]
) -> Iterator[RawRecord]:
    if file.read(3) != _BYTE_ORDER_MARK:
        file.seek(0)
    start = file.tell()
    in_lines = suffix in (".jsonl", ".ndjson") and file.read(64).lstrip()[:1] != b"["
    file.seek(start)
    lines = in_lines or _are_lines(file)
    file.seek(start)
    if lines:
        yield from _line_records(file)
        return
    number = 0
    try:
        for number, member in enumerate(split_records(file, is_field), 1):
            yield _parsed(f"record {number}", member.raw, member.key, member.line)
    except BrokenJsonError as error:
        if not number:
            raise CueframeError(
                f'{name}: {error}; want {{"data": [{noun}, …]}}, a list, JSON lines, CSV or Parquet'
            ) from error
        lost = f"the rest of the file is not read: {error}"
        yield RawRecord(f"record {number + 1}", None, error=lost)


def _are_lines(file: IO[bytes]) -> bool:
    """Return whether the first line is an object of its own, and another line follows."""
    first = b""
    while not first.strip():
        first = file.readline(MAX_RECORD_BYTES)
        if not first:
            return False
    try:
        is_object = isinstance(json.loads(first), dict)
    except (ValueError, RecursionError):
        return False
    return is_object and any(line.strip() for line in iter(lambda: file.readline(1 << 16), b""))


def _line_records(file: IO[bytes]) -> Iterator[RawRecord]:
    for number, raw in _lines(file):
        yield _parsed(f"line {number}", raw, None, number)


def _lines(file: IO[bytes]) -> Iterator[tuple[int, bytes | TooLongError]]:
    """Yield the number and the bytes of each line that is not blank."""
    number = 0
    while line := file.readline(MAX_RECORD_BYTES + 1):
        number += 1
        raw: bytes | TooLongError = line
        if len(line) > MAX_RECORD_BYTES:
            raw = TooLongError(f"it takes more than {MAX_RECORD_BYTES >> 20} MiB")
            while line and not line.endswith(b"\n"):
                line = file.readline(MAX_RECORD_BYTES)
        if isinstance(raw, TooLongError) or raw.strip():
            yield number, raw


def _parsed(place: str, raw: bytes | TooLongError, key: str | None, line: int) -> RawRecord:
    if isinstance(raw, TooLongError):
        return RawRecord(place, None, key, f"{raw}; shorten it")
    try:
        return RawRecord(place, json.loads(raw.decode()), key)
    except UnicodeDecodeError as error:
        return RawRecord(place, None, key, f"byte {error.start} of it is not UTF-8; save it so")
    except json.JSONDecodeError as error:
        where = f"line {line + error.lineno - 1}"
        return RawRecord(place, None, key, f"{error.msg} ({where}); mend the JSON there")
    except (ValueError, RecursionError) as error:  # a number too long, brackets too deep
        reason = str(error).split(";")[0]
        return RawRecord(place, None, key, f"its JSON cannot be read: {reason}")
