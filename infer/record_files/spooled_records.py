"""A sequence of validated records that takes little memory, however many there are.

A question as an object takes some 3 KB. Here its JSON is held, in memory while it is short and in a
temporary file beyond that, and the object is made when it is asked for.
"""

import json
import tempfile
import weakref
from array import array
from collections.abc import Iterable, Sequence
from typing import Generic, TypeVar, overload

from pydantic import BaseModel

from index.temporary_files import explain_temporary

_IN_MEMORY_BYTES = 16 << 20

Kind = TypeVar("Kind", bound=BaseModel)


class SpooledRecords(Sequence[Kind], Generic[Kind]):
    """An immutable sequence of records of one class.

    Making it raises CueframeError if the temporary folder is full, or there is none.
    """

    def __init__(self, kind: type[Kind], records: Iterable[Kind]) -> None:
        self._kind = kind
        self._file = tempfile.SpooledTemporaryFile(_IN_MEMORY_BYTES)  # noqa: SIM115 - closed below
        weakref.finalize(self, self._file.close)
        self._starts = array("q", [0])
        for record in records:
            # By `json` and not by pydantic, which refuses the lone surrogates of odd paths.
            fields = record.model_dump(exclude_unset=True)
            text = json.dumps(fields, default=_as_json, skipkeys=True)
            with explain_temporary():
                self._file.write(text.encode())
            self._starts.append(self._file.tell())

    def __len__(self) -> int:
        return len(self._starts) - 1

    @overload
    def __getitem__(self, place: int) -> Kind: ...
    @overload
    def __getitem__(self, place: slice) -> list[Kind]: ...
    def __getitem__(self, place: int | slice) -> Kind | list[Kind]:
        if isinstance(place, slice):
            return [self[n] for n in range(*place.indices(len(self)))]
        number = range(len(self))[place]
        start, end = self._starts[number], self._starts[number + 1]
        self._file.seek(start)
        return self._kind.model_validate(json.loads(self._file.read(end - start)))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]  # as a list


def _as_json(value: object) -> str | None:
    """Return what a key that nobody reads may hold in Parquet: dates as texts, bytes not at all."""
    return None if isinstance(value, bytes) else str(value)
