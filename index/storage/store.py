"""The files of an index that are written once: its profile and one vector file per video content.

    INDEX/profile.json             the model and settings that made the vectors
    INDEX/vectors/ab/abcd….h5      embeddings (F, D) float16 unit vectors, time_s (F,) float64

F: frames of a video, D: width of a vector.
"""

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

from index.decoding.frame_types import VideoMetadata
from index.errors import CueframeError
from index.preprocess import Resize, ViewMode
from index.storage.atomic_write import written_whole

SCHEMA: Literal[1] = 1


class Profile(BaseModel):
    """The model and settings that made the vectors of an index. One index has one profile."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    schema_version: Literal[1] = SCHEMA
    model: str
    fingerprint: str
    """Digest of vision weights and preprocessing (`index.encoder.vision_fingerprint`)."""
    width: int
    """D of every vector."""
    fps: float
    """Sample times per second of video."""
    resize: Resize
    view: ViewMode
    dtype: str
    """Precision of the encoder; recorded, not compared."""

    @property
    def key(self) -> str:
        """Digest by which a vector file names the profile that made it."""
        return xxhash.xxh3_64_hexdigest(repr((self.fingerprint, self.fps, self.resize)).encode())


@dataclass(frozen=True, kw_only=True)
class Vectors:
    """The content of one vector file: the frames of a video."""

    embeddings: npt.NDArray[np.float16]
    """(F, D) unit vectors."""
    time_s: npt.NDArray[np.float64]
    """(F,) ascending, from the first shown frame."""
    content_hash: str
    path_hint: str
    profile: str
    """`Profile.key` of the profile that made them."""
    metadata: VideoMetadata


def stored_path(path: str) -> str | bytes:
    """Return a path as SQLite and HDF5 can hold it: a text, or bytes where it is not UTF-8.

    `os.fsdecode` turns either into the path again.
    """
    try:
        path.encode()
    except UnicodeEncodeError:
        return os.fsencode(path)
    return path


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
    """Return the path of the vector file of a video content."""
    return index / "vectors" / content_hash[:2] / f"{content_hash}.h5"


def write_vectors(index: Path, vectors: Vectors) -> None:
    """Write the vector file of a video."""
    metadata = vectors.metadata
    with (
        written_whole(vectors_path(index, vectors.content_hash)) as temporary,
        h5py.File(temporary, "w") as file,
    ):
        file["embeddings"] = vectors.embeddings
        file["time_s"] = vectors.time_s
        file.attrs.update(
            schema=SCHEMA,
            profile=vectors.profile,
            content_hash=vectors.content_hash,
            path_hint=stored_path(vectors.path_hint),
            duration_s=metadata.duration_s,
            start_s=metadata.start_s,
            width=metadata.width,
            height=metadata.height,
            warnings=json.dumps(metadata.warnings),
        )


def read_clock(index: Path, content_hash: str) -> tuple[npt.NDArray[np.float64], float]:
    """Read the times (F,) of a video's rows and its duration, both in seconds, without vectors.

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
            path_hint=os.fsdecode(attributes["path_hint"]),
            profile=str(attributes["profile"]),
            metadata=VideoMetadata(
                duration_s=float(attributes["duration_s"]),
                start_s=float(attributes["start_s"]),
                width=int(attributes["width"]),
                height=int(attributes["height"]),
                warnings=json.loads(attributes["warnings"]),
            ),
        )


@contextmanager
def _opened(index: Path, content_hash: str) -> Iterator[h5py.File]:
    """Open a vector file for reading; any problem with it is one error."""
    path = vectors_path(index, content_hash)
    try:
        with h5py.File(path, "r") as file:
            yield file
    except (OSError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise CueframeError(
            f"the vector file {path} is missing or damaged; python index/check.py {index} --repair "
            "clears it away, and index/build.py embeds that video again"
        ) from error
