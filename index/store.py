"""The files of an index that are written once: its profile and one vector file per video content.

    INDEX/profile.json             what made the vectors
    INDEX/vectors/ab/abcd….h5      embeddings (F, D) float16 unit vectors, time_s (F,) float64

Every file is written under a temporary name, synced and renamed: a process killed with -9 while an
HDF5 file is open for writing leaves it unreadable (measured: 15 times of 15).

F: frames of a video, D: width of a vector.
"""

import contextlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import h5py
import numpy as np
import numpy.typing as npt
import xxhash
from pydantic import BaseModel, ConfigDict, ValidationError

from index.errors import CueframeError
from index.video import Clip
from index.view import Mode, Resize

SCHEMA: Literal[1] = 1


class Profile(BaseModel):
    """What made the vectors of an index. One index has one profile."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    schema_version: Literal[1] = SCHEMA
    model: str
    fingerprint: str
    """Of the vision side: weights and preprocessing (`index.encoder.load_encoder`)."""
    width: int
    """D of every vector."""
    fps: float
    """Sample times per second of video."""
    resize: Resize
    view: Mode
    dtype: str
    """Recorded, not compared."""

    @property
    def key(self) -> str:
        """What a vector file carries to tell whose it is."""
        return xxhash.xxh3_64_hexdigest(repr((self.fingerprint, self.fps, self.resize)).encode())


@dataclass(frozen=True, kw_only=True)
class Vectors:
    """The frames of one video, read from disk."""

    embeddings: npt.NDArray[np.float16]
    """(F, D) unit vectors."""
    time_s: npt.NDArray[np.float64]
    """(F,) ascending, from the first shown frame."""
    content_hash: str
    path_hint: str
    profile: str
    """`Profile.key` of what made them."""
    clip: Clip


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` that takes its place, on disk, when the block ends well.

    Raises:
        CueframeError: It cannot be written; what was there stays.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except (OSError, RuntimeError) as error:  # RuntimeError: FAISS on a full disk
        raise CueframeError(
            f"{path} cannot be written ({error}); make room or rights, and run again"
        ) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_profile(index: Path, profile: Profile) -> None:
    """Write INDEX/profile.json."""
    with written_whole(index / "profile.json") as temporary:
        temporary.write_text(profile.model_dump_json(indent=2) + "\n")


def read_profile(index: Path) -> Profile:
    """Read INDEX/profile.json.

    Raises:
        CueframeError: There is no index, or its profile cannot be read.
    """
    path = index / "profile.json"
    if not path.is_file():
        raise CueframeError(
            f"{index} is no index: it has no profile.json; make one with "
            "python index/build.py VIDEOS --index INDEX"
        )
    try:
        return Profile.model_validate_json(path.read_bytes())
    except (ValidationError, OSError) as error:
        reason = str(error)
        if isinstance(error, ValidationError):
            first = error.errors()[0]
            reason = ": ".join([*(str(place) for place in first["loc"]), first["msg"]])
        raise CueframeError(
            f"{path} cannot be read ({reason}); restore it, or build anew with --rebuild"
        ) from error


def vectors_path(index: Path, content_hash: str) -> Path:
    """Where the vectors of a video content lie."""
    return index / "vectors" / content_hash[:2] / f"{content_hash}.h5"


def write_vectors(
    index: Path,
    *,
    content_hash: str,
    profile: str,
    path_hint: str,
    embeddings: npt.NDArray[np.float16],
    time_s: npt.NDArray[np.float64],
    clip: Clip,
) -> None:
    """Write the vector file of a video: (F, D) float16 and (F,) float64."""
    with (
        written_whole(vectors_path(index, content_hash)) as temporary,
        h5py.File(temporary, "w") as file,
    ):
        file["embeddings"] = embeddings
        file["time_s"] = time_s
        file.attrs.update(
            schema=SCHEMA,
            profile=profile,
            content_hash=content_hash,
            path_hint=path_hint,
            duration_s=clip.duration_s,
            start_s=clip.start_s,
            width=clip.width,
            height=clip.height,
            warnings=json.dumps(clip.warnings),
        )


def read_clock(index: Path, content_hash: str) -> tuple[npt.NDArray[np.float64], float]:
    """The times (F,) of a video's rows and its duration in seconds, without its vectors.

    Raises:
        CueframeError: Its vector file is missing or damaged.
    """
    with _opened(index, content_hash) as file:
        return file["time_s"][:], float(file.attrs["duration_s"])


def read_vectors(index: Path, content_hash: str) -> Vectors:
    """Read the vector file of a video.

    Raises:
        CueframeError: It is missing or damaged.
    """
    with _opened(index, content_hash) as file:
        attributes: dict[str, Any] = dict(file.attrs)
        return Vectors(
            embeddings=file["embeddings"][:],
            time_s=file["time_s"][:],
            content_hash=str(attributes["content_hash"]),
            path_hint=str(attributes["path_hint"]),
            profile=str(attributes["profile"]),
            clip=Clip(
                duration_s=float(attributes["duration_s"]),
                start_s=float(attributes["start_s"]),
                width=int(attributes["width"]),
                height=int(attributes["height"]),
                warnings=json.loads(attributes["warnings"]),
            ),
        )


@contextmanager
def _opened(index: Path, content_hash: str) -> Iterator[h5py.File]:
    """A vector file, open to be read; whatever is wrong with it is one error."""
    path = vectors_path(index, content_hash)
    try:
        with h5py.File(path, "r") as file:
            yield file
    except (OSError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise CueframeError(
            f"the vector file {path} is missing or damaged; python index/check.py {index} --repair "
            "clears it away, and index/build.py embeds that video again"
        ) from error
