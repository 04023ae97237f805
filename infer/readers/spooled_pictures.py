"""The frames of a video for a reader, decoded once and held in little memory, however many."""

import tempfile
import weakref
from collections.abc import Iterable
from typing import NamedTuple

from PIL import Image

from index.temporary_files import explain_temporary

_IN_MEMORY_BYTES = 64 << 20
"""93 pictures of 640 x 360: those of a short video never reach the disk."""


class _Place(NamedTuple):
    """Where a picture is in the file, and its width and height."""

    start: int
    size: tuple[int, int]


class SpooledPictures:
    """RGB pictures by the time of their frame: in memory, and beyond 64 MB in a temporary file.

    Making it raises CueframeError if the temporary folder is full, or there is none.
    """

    def __init__(self, pictures: Iterable[tuple[float, Image.Image]]) -> None:
        self._file = tempfile.SpooledTemporaryFile(_IN_MEMORY_BYTES)  # noqa: SIM115 - closed below
        weakref.finalize(self, self._file.close)
        self._places: dict[float, _Place] = {}
        for time_s, picture in pictures:
            self._places[time_s] = _Place(self._file.tell(), picture.size)
            with explain_temporary():
                self._file.write(picture.tobytes())

    def __getitem__(self, time_s: float) -> Image.Image:
        start, (width, height) = self._places[time_s]
        self._file.seek(start)
        return Image.frombytes("RGB", (width, height), self._file.read(width * height * 3))
