"""Split a JSON document into its records in bounded memory, each as raw bytes.

Only brackets and strings are looked at; each record is parsed by `json` afterwards, so that one
record that is odd costs itself alone. (ijson 3.6 was tried first: with its C backend a lone
surrogate, NaN, 1e999 or an integer of 20 digits ends the whole document, and 100,000 nested
brackets the process.)
"""

import io
import json
import re
from collections.abc import Callable, Iterable, Iterator
from typing import IO, NamedTuple

MAX_RECORD_BYTES = 8 << 20
"""Longest record in bytes. Parsed, a byte takes about 13 bytes of memory."""
_CHUNK_BYTES = 1 << 20
_HELD = 16
"""Members of an object that are held until it is known what the object is."""

# Possessive (++, *+), so that nothing is tried twice.
_TO_BRACKET = re.compile(rb'(?:[^"\[\]{}]++|"(?:[^"\\]++|\\.)*+")*+', re.DOTALL)
_REST_OF_STRING = re.compile(rb'[^"\\]*+(?:\\.[^"\\]*+)*+', re.DOTALL)
_END_OF_SCALAR = re.compile(rb"[\s,\]}:\[{]")
_NO_SPACE = re.compile(rb"\S")
_CLOSES = {ord("["): ord("]"), ord("{"): ord("}")}


class BrokenJsonError(Exception):
    """The document breaks off, or is no JSON, from some line on."""


class TooLongError(Exception):
    """A value of more than `MAX_RECORD_BYTES`; it was passed over."""


class Member(NamedTuple):
    """A record of a document, or why it cannot be read."""

    key: str | None
    """Its key in an object of records; None in a list."""
    raw: bytes | TooLongError
    line: int
    """The line on which it begins."""


def split_records(file: IO[bytes], is_field: Callable[[str], bool]) -> Iterator[Member]:
    """Yield the records of a document: a list, an object around a list, or an object of records.

    Args:
        file: A UTF-8 file at the start of its document.
        is_field: Whether a key is the name of a field, so that its object is a single record.

    Raises:
        BrokenJsonError: The document breaks off or is no JSON; what stood before was yielded.
    """
    scanner = _Scanner(file)
    first = scanner.peek()
    if first == b"[":
        yield from _elements(scanner)
    elif first == b"{":
        yield from _members(scanner, is_field)
    elif first:
        raise scanner.broken("a list or an object is wanted")
    if scanner.peek():
        raise scanner.broken("something follows the end of the JSON")


def _elements(scanner: "_Scanner") -> Iterator[Member]:
    scanner.skip(b"[")
    while scanner.peek() != b"]":
        scanner.peek()
        line = scanner.line
        yield Member(None, scanner.value(), line)
        if scanner.peek() != b"]":
            scanner.skip(b",")
    scanner.skip(b"]")


def _members(scanner: "_Scanner", is_field: Callable[[str], bool]) -> Iterator[Member]:
    held: list[tuple[bytes, bytes | TooLongError, int]] = []
    single = wraps = records = False
    scanner.skip(b"{")
    while scanner.peek() != b"}":
        name = scanner.value()
        if isinstance(name, TooLongError) or not name.startswith(b'"'):
            raise scanner.broken("a key is wanted")
        scanner.skip(b":")
        key = _text(name)
        single = single or (is_field(key) and not (wraps or records))
        listed = scanner.peek() == b"["
        if listed and (key == "data" or (not single and scanner.peek_inside() == b"{")):
            wraps, single, held = True, False, []  # what stood before tells of the file
            yield from _elements(scanner)
        else:
            line = scanner.line
            value = scanner.value()
            if not wraps:
                held.append((name, value, line))
            records = records or (len(held) > _HELD and not single)
            if records:
                yield from _keyed(held)
                held = []
        if scanner.peek() != b"}":
            scanner.skip(b",")
    scanner.skip(b"}")
    if single:
        parts = [n + b":" + v for n, v, _ in held if isinstance(v, bytes)]
        yield Member(None, b"{" + b",".join(parts) + b"}", held[0][2])
    elif len(held) == 1 and isinstance(held[0][1], bytes) and _holds_records(held[0][1], is_field):
        yield from split_records(io.BytesIO(held[0][1]), is_field)
    else:
        yield from _keyed(held)


def _keyed(held: Iterable[tuple[bytes, bytes | TooLongError, int]]) -> Iterator[Member]:
    """Yield the members of an object of records, but for those that tell of the file."""
    for name, value, line in held:
        if not (key := _text(name)).startswith("_"):
            yield Member(key, value, line)


def _holds_records(raw: bytes, is_field: Callable[[str], bool]) -> bool:
    """Return whether a value is an object around records, as in `{"data": {"q1": {…}}}`."""
    if not raw.startswith(b"{"):
        return False
    scanner = _Scanner(io.BytesIO(raw))
    scanner.skip(b"{")
    name = scanner.value() if scanner.peek() == b'"' else b""
    if isinstance(name, TooLongError) or scanner.peek() != b":" or is_field(_text(name)):
        return False
    scanner.skip(b":")
    return scanner.peek() in (b"{", b"[")


def _text(name: bytes) -> str:
    """Return a key as a text; one with escapes that mean nothing as it is written."""
    try:
        return str(json.loads(name))
    except ValueError:
        return name[1:-1].decode(errors="replace")


class _Scanner:
    """A file with the part of it that was read and not yet passed."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self._buffer, self._at = file, b"", 0
        self._line, self._counted = 1, 0

    @property
    def line(self) -> int:
        """The line on which the next byte stands, from 1."""
        self._line += self._buffer.count(b"\n", self._counted, self._at)
        self._counted = self._at
        return self._line

    def broken(self, what: str) -> BrokenJsonError:
        return BrokenJsonError(f"line {self.line}: {what}; mend the JSON there")

    def _more(self) -> bool:
        """Read on, dropping what was passed; False at the end of the file."""
        chunk = self._file.read(_CHUNK_BYTES)
        _ = self.line
        self._buffer, self._at, self._counted = self._buffer[self._at :] + chunk, 0, 0
        return bool(chunk)

    def peek(self) -> bytes:
        """Return the next byte that is no blank; empty at the end of the file."""
        while not (found := _NO_SPACE.search(self._buffer, self._at)):
            self._at = len(self._buffer)
            if not self._more():
                return b""
        self._at = found.start()
        return found[0]

    def peek_inside(self) -> bytes:
        """Return the first byte that is no blank after the next one."""
        self.peek()
        while not (found := _NO_SPACE.search(self._buffer, self._at + 1)):
            if not self._more():
                return b""
        return found[0]

    def skip(self, wanted: bytes) -> None:
        found = self.peek()
        if found != wanted:
            there = found.decode(errors="replace") or "the end of the file"
            raise self.broken(f"{wanted.decode()} is wanted, and {there} stands there")
        self._at += 1

    def value(self) -> bytes | TooLongError:
        """Return the next value as it is written, or an error where it is too long."""
        first = self.peek()
        if first in (b"", b",", b":", b"]", b"}"):
            raise self.broken("a value is wanted")
        parts, size = [], 0
        for part in self._parts(first):
            size += len(part)
            if size <= MAX_RECORD_BYTES:
                parts.append(part)
            else:
                parts = []
        if size > MAX_RECORD_BYTES:
            limit = MAX_RECORD_BYTES >> 20
            return TooLongError(f"it takes {size >> 20} MiB, and a record takes {limit} at most")
        return b"".join(parts)

    def _parts(self, first: bytes) -> Iterator[bytes]:
        """Yield the pieces of the next value, and pass over it."""
        if first not in b'"[{':
            while not (end := _END_OF_SCALAR.search(self._buffer, self._at)):
                yield self._take(len(self._buffer))
                if not self._more():
                    return
            yield self._take(end.start())
            return
        if first == b'"':
            yield self._take(self._at + 1)
            yield from self._rest_of_string()
            return
        open_brackets: list[int] = []
        start = self._at
        while True:
            passed = _TO_BRACKET.match(self._buffer, self._at)
            place = self._at = passed.end() if passed else self._at
            if place == len(self._buffer):
                yield self._buffer[start:]
                if not self._more():
                    raise self.broken("the file ends within a value")
                start = 0
                continue
            self._at += 1
            byte = self._buffer[place]
            if byte == ord('"'):  # its end is not in the buffer
                yield self._buffer[start : place + 1]
                yield from self._rest_of_string()
                start = self._at
            elif byte in _CLOSES:
                open_brackets.append(_CLOSES[byte])
            elif not open_brackets or open_brackets.pop() != byte:
                raise self.broken(f"{chr(byte)} closes nothing")
            if not open_brackets:
                yield self._buffer[start : self._at]
                return

    def _rest_of_string(self) -> Iterator[bytes]:
        while True:
            found = _REST_OF_STRING.match(self._buffer, self._at)
            end = found.end() if found else self._at
            if end < len(self._buffer) and self._buffer[end] == ord('"'):
                yield self._take(end + 1)
                return
            yield self._take(end)  # a backslash at the very end waits for what it escapes
            if not self._more():
                raise self.broken("the file ends within a text")

    def _take(self, end: int) -> bytes:
        part = self._buffer[self._at : end]
        self._at = end
        return part
