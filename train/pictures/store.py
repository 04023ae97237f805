"""Prepared pictures on disk: the squares that the model takes, each stored once.

    PICTURES/center-224x224-5f1d…/      one folder for each image transform
        transform.json                  what the name's digest stands for
        9c1e….pixels                    squares one after another, uint8
        9c1e….jsonl                     what they are; written once the pixels are on disk

A writer adds such a pair and never changes one, so writers need no locks, and what a killed one
leaves is no pair. A pair that is damaged or incomplete counts as not there, and the folder may be
deleted at any time: what is missing is prepared anew.

Squares are found by content: those of a picture by the digest of its file, those of a video by its
content hash and the rate of its samples. The state of a file (size, mtime, ctime) tells its digest
where it is as it was; else it is read again.

T: tiles of a frame, C: squares, H, W: height and width of the model's input.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import xxhash

from index.errors import CueframeError
from index.models.preprocess import ImageTransform

PREPARED = "preprocessed"
"""Name of the folder of prepared pictures, in that of the mined ones."""
PIXELS, LINES = ".pixels", ".jsonl"
_OPEN_FILES = 64
"""Files of pixels that are kept open; a run has a few."""


class Squares(NamedTuple):
    """Where some squares are."""

    file: str
    """Path of the file of pixels."""
    at: int
    """First byte."""
    length: int
    """C; T of a picture."""
    check: int
    """xxh3, 64 bits, of the bytes."""


class KeptChunk(NamedTuple):
    """A chunk of a video, as `index.decoding.worker_pool` gave it."""

    squares: Squares
    time_s: list[float]
    end_s: list[float]


@dataclass(frozen=True, kw_only=True)
class KeptVideo:
    """All sampled frames of a video, as its decoding gave them."""

    claimed_s: float
    tiles: int
    chunks: list[KeptChunk]
    metadata: dict[str, Any]
    """Fields of `index.decoding.frame_types.VideoMetadata`."""


class FileState(NamedTuple):
    """A file as it was: while it is so, its content is the same."""

    name: str
    size: int
    mtime_ns: int
    ctime_ns: int


def state_of(name: str, seen: os.stat_result) -> FileState:
    """Return the state of a file under the name that the store knows it by."""
    return FileState(name, seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns)


def folder_for(pictures: Path, transform: ImageTransform) -> Path:
    """Return the folder of a transform's squares, below that of all prepared pictures."""
    values = json.dumps(transform.as_dict(), sort_keys=True)
    digest = xxhash.xxh3_64_hexdigest(values.encode())
    return pictures / f"{transform.mode}-{transform.height}x{transform.width}-{digest}"


class PictureStore:
    """What a folder holds at the time at which this is made."""

    def __init__(self, folder: Path, transform: ImageTransform) -> None:
        self.side = (transform.height, transform.width)
        self.pictures: dict[str, Squares] = {}
        """By the digest of the picture's file."""
        self.digests: dict[FileState, str] = {}
        """Digests of files; of videos, the content hash."""
        self.videos: dict[tuple[str, float], KeptVideo] = {}
        """By content hash and sample times per second."""
        self._open: dict[str, int] = {}
        try:
            pairs = sorted(folder.glob(f"*{LINES}"))
        except OSError as error:
            raise CueframeError(
                f"{folder} cannot be read ({error.strerror}); name another folder by --pictures"
            ) from error
        for lines in pairs:
            try:
                self._add(lines)
            except (OSError, ValueError, TypeError, KeyError, RecursionError):
                continue  # as if it were not there

    def of_file(self, state: FileState) -> Squares | None:
        """Return the squares of the picture in a file; None if they are not known."""
        return self.pictures.get(self.digests.get(state, ""))

    def read(self, squares: Squares, out: npt.NDArray[np.uint8]) -> None:
        """Read squares into `out`, (C, H, W, 3) uint8 and contiguous.

        From the file and not from mapped memory, where an error of the disk would end the process
        without a word.

        Raises:
            CueframeError: They cannot be read, or are not what was written.
        """
        try:
            whole = os.preadv(self._descriptor(squares.file), [out.data], squares.at) == out.nbytes
        except OSError as error:
            raise _lost(squares, f"cannot be read ({error.strerror})") from error
        if not whole or xxhash.xxh3_64_intdigest(out.data) != squares.check:
            raise _lost(squares, "is damaged")

    def _descriptor(self, file: str) -> int:
        if file not in self._open:
            if len(self._open) == _OPEN_FILES:
                self.close()
            self._open[file] = os.open(file, os.O_RDONLY)
        return self._open[file]

    def close(self) -> None:
        """Close the files; they are opened again where they are needed."""
        for descriptor in self._open.values():
            os.close(descriptor)
        self._open.clear()

    def __del__(self) -> None:
        self.close()

    def _add(self, lines: Path) -> None:
        """Take what a pair holds, all of it or, if it raises, nothing."""
        pixels = lines.with_suffix(PIXELS)
        records = [json.loads(line) for line in lines.read_bytes().splitlines()]
        holds = [record for record in records if "file" not in record]
        size = pixels.stat().st_size if holds else 0

        def squares(at: int, length: int, check: int) -> Squares:
            if not 0 <= at < at + length * self.side[0] * self.side[1] * 3 <= size:
                raise ValueError("the pixels are cut off")
            return Squares(str(pixels), at, length, check)

        pictures = {r["picture"]: squares(*r["squares"]) for r in holds if "picture" in r}
        videos = {
            (r["video"], r["fps"]): KeptVideo(
                claimed_s=r["claimed_s"],
                tiles=r["tiles"],
                chunks=[KeptChunk(squares(*c[0]), c[1], c[2]) for c in r["chunks"]],
                metadata=r["metadata"],
            )
            for r in holds
            if "video" in r
        }
        files = {FileState(*r["file"]): r["digest"] for r in records if "file" in r}
        self.pictures = pictures | self.pictures
        self.videos = videos | self.videos
        self.digests |= files


def line_of_file(state: FileState, digest: str) -> Mapping[str, Any]:
    """Return the line that tells a file's digest."""
    return {"file": list(state), "digest": digest}


def _lost(squares: Squares, what: str) -> CueframeError:
    return CueframeError(
        f"{squares.file} {what}; delete it, and run again (training: with --resume): what it held "
        "is prepared anew"
    )
