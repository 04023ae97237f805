"""Adding to a folder of prepared pictures: a pair of files for what one writer has."""

import contextlib
import fcntl
import json
import os
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
import xxhash

from index.models.preprocess import ImageTransform
from train.pictures.store import LINES, PIXELS

_PART_BYTES = 512 * 2**20
"""A pair is complete at this size, so that a killed writer loses no more."""
_YOUNG_S = 60.0
"""A file that is younger may be of a writer that has not locked it yet."""


class PairWriter:
    """Writes squares and lines about them; they can be found once `commit` has returned.

    As a context manager it commits in the end. Its errors are OSErrors: whoever writes says what
    to do about them.
    """

    def __init__(self, folder: Path, transform: ImageTransform) -> None:
        """Take the folder of the transform (`train.pictures.store.folder_for`)."""
        self._folder, self._transform = folder, transform
        self._name = ""
        self._pixels: BinaryIO | None = None
        self._lines: list[Mapping[str, Any]] = []
        self._size = 0

    def add(self, squares: npt.NDArray[np.uint8]) -> tuple[int, int, int]:
        """Append squares (C, H, W, 3); return where they are, as `Squares` has it after the file.

        Raises:
            OSError: They cannot be written.
        """
        if self._pixels is None:
            self._pixels = self._begin()
        data = np.ascontiguousarray(squares)
        at, self._size = self._size, self._size + data.nbytes
        self._pixels.write(data.data)
        return at, len(data), xxhash.xxh3_64_intdigest(data.data)

    def note(self, line: Mapping[str, Any]) -> None:
        """Add a line about squares or files."""
        self._lines.append(line)

    def commit_if_large(self) -> None:
        """Commit once there is much; call it where all lines about what was added are noted.

        Raises:
            OSError: As for `commit`.
        """
        if self._size >= _PART_BYTES:
            self.commit()

    def commit(self) -> None:
        """Put all that was added and noted in place, and begin another pair.

        Raises:
            OSError: It cannot be written; nothing of it is in place.
        """
        lines, self._lines, self._size = self._lines, [], 0
        pixels, self._pixels = self._pixels, None
        if not lines:
            if pixels:
                self._drop(pixels)
            return
        if pixels is None:
            self._make_folder()
            self._name = uuid.uuid4().hex
        else:
            try:
                pixels.flush()
                os.fsync(pixels.fileno())
                self._temporary().replace(self._folder / f"{self._name}{PIXELS}")
            except OSError:
                self._drop(pixels)
                raise
        with pixels or contextlib.nullcontext():  # locked until the pair is complete
            text = "".join(json.dumps(line) + "\n" for line in lines)
            whole = self._folder / f".{self._name}{LINES}.tmp"
            try:
                whole.write_text(text)
                with whole.open("rb") as file:
                    os.fsync(file.fileno())
                whole.replace(self._folder / f"{self._name}{LINES}")
            except OSError:
                whole.unlink(missing_ok=True)
                (self._folder / f"{self._name}{PIXELS}").unlink(missing_ok=True)
                raise

    def drop(self) -> None:
        """Forget all that was not committed."""
        pixels, self._pixels = self._pixels, None
        self._lines, self._size = [], 0
        if pixels:
            self._drop(pixels)

    def __enter__(self) -> "PairWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        if error is None:
            self.commit()
            return
        with contextlib.suppress(OSError):  # what was prepared before it is kept, if that can be
            self.commit()

    def _begin(self) -> BinaryIO:
        self._make_folder()
        remove_leftovers(self._folder)
        self._name = uuid.uuid4().hex
        file = self._temporary().open("wb")
        with contextlib.suppress(OSError):  # a disk without locks keeps leftovers
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return file

    def _make_folder(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        about = self._folder / "transform.json"
        if not about.is_file():
            about.write_text(json.dumps(self._transform.as_dict(), indent=2) + "\n")

    def _temporary(self) -> Path:
        return self._folder / f".{self._name}{PIXELS}.tmp"

    def _drop(self, pixels: BinaryIO) -> None:
        with contextlib.suppress(OSError):
            pixels.close()
        with contextlib.suppress(OSError):
            self._temporary().unlink(missing_ok=True)


def remove_leftovers(folder: Path) -> None:
    """Delete what killed writers have left; a file that a living one locks stays."""
    alone = (p for p in folder.glob(f"*{PIXELS}") if not p.with_suffix(LINES).is_file())
    for path in (*folder.glob(".*.tmp"), *alone):
        with contextlib.suppress(OSError), path.open("rb") as file:
            if time.time() - os.fstat(file.fileno()).st_mtime > _YOUNG_S:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink()
