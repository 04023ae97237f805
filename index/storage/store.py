"""The files of an index that are written once: its profile and one vector file per video content.

    INDEX/profile.json             the model and settings that made the vectors
    INDEX/vectors/ab/abcd….h5      embeddings (F, T, D) float16 unit vectors, time_s and end_s (F,)
                                   float64, and attributes, with a hash over all bytes

F: frames of a video, T: tiles of a frame (1 unless the view is tiles), D: width of a vector.
"""

import json
import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import xxhash
from pydantic import BaseModel, ConfigDict, ValidationError

from index.decoding.frame_types import VideoMetadata
from index.errors import CueframeError, DamagedError
from index.models.preprocess import Resize, ViewMode
from index.models.tiling import MOST_TILES, Box, tile_boxes
from index.spans import Timeline
from index.storage.atomic_write import written_whole
from index.storage.sealed_file import damage_named, read_sealed, write_sealed

_FLAGS = ("model", "fps", "resize", "view")
"""Values of a profile that are flags of index/build.py."""
_ARRAYS = ("embeddings", "time_s", "end_s")
SCHEMA: Literal[2] = 2
"""1 had no `end_s`, no tiles and no hash."""
UNIT_LENGTH_TOLERANCE = 2e-3
"""float16 keeps eleven bits, so a unit vector's length is off by less than this."""


class Profile(BaseModel):
    """The model and settings that made the vectors of an index. One index has one profile."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    schema_version: Literal[2] = SCHEMA
    model: str
    fingerprint: str
    """Digest of vision weights and preprocessing (`index.models.encoder.vision_fingerprint`)."""
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
        """Digest of what decides the vectors: two profiles with one key make the same ones."""
        return xxhash.xxh3_64_hexdigest(repr((self.fingerprint, self.fps, self.resize)).encode())


class _ProfileFile(Profile):
    """What profile.json holds."""

    hash: str | None = None
    """Of the profile, since vector files do not know what its model is called now; None before."""


@dataclass(frozen=True, kw_only=True)
class Vectors:
    """The content of one vector file: the frames of a video."""

    embeddings: npt.NDArray[np.float16]
    """(F, T, D) unit vectors."""
    time_s: npt.NDArray[np.float64]
    """(F,) ascending, from the first shown frame."""
    end_s: npt.NDArray[np.float64]
    """(F,) end of the span in which each frame is shown (`index.spans`)."""
    content_hash: str
    path_hint: str
    profile: Profile
    """What made them."""
    metadata: VideoMetadata

    @property
    def tiles(self) -> list[Box]:
        """Where the T tiles are in a frame, as fractions of its width and height."""
        return tile_boxes(self.metadata.width, self.metadata.height, self.embeddings.shape[1])

    @property
    def timeline(self) -> Timeline:
        """When the frames are shown."""
        return Timeline(self.time_s, self.end_s, self.metadata.duration_s)


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
    sealed = _ProfileFile(**profile.model_dump(), hash=_profile_hash(profile))
    with written_whole(index / "profile.json") as temporary:
        temporary.write_text(sealed.model_dump_json(indent=2) + "\n")


def _profile_hash(profile: Profile) -> str:
    return xxhash.xxh3_64_hexdigest(profile.model_dump_json().encode())


def read_profile(index: Path) -> Profile:
    """Read INDEX/profile.json.

    Raises:
        DamagedError: It is missing although there are vectors, holds no profile, or one of an older
            schema.
        CueframeError: There is no index, or it cannot be read now.
    """
    path = index / "profile.json"
    again = (
        f"python index/check.py {index} --repair makes it again from the vector files, and "
        "index/build.py --rebuild begins anew"
    )
    try:
        if not path.is_file():
            if (index / "vectors").is_dir():
                raise DamagedError(f"{path} is missing; {again}")
            raise CueframeError(
                f"{index} is no index: it has no profile.json; make one with "
                "python index/build.py VIDEOS --index INDEX"
            )
        text = path.read_bytes()
    except OSError as error:
        raise CueframeError(
            f"{path} cannot be read ({error.strerror}); make it readable, and run again"
        ) from error
    _refuse_old_schema(index, text)
    try:
        file = _ProfileFile.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        reason = ": ".join([*(str(place) for place in first["loc"]), first["msg"]])
        raise DamagedError(f"{path} is damaged ({reason}); {again}") from error
    profile = Profile(**file.model_dump(exclude={"hash"}))
    if file.hash not in (None, _profile_hash(profile)):
        raise DamagedError(f"{path} is damaged (it is not what was written); {again}")
    return profile


def _refuse_old_schema(index: Path, text: bytes) -> None:
    """Refuse a profile of an older schema; text that is none is left to the validation."""
    try:
        old = json.loads(text)
        schema = old["schema_version"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return
    if schema in range(1, SCHEMA):
        kept = [f"--{name} {shlex.quote(str(old[name]))}" for name in _FLAGS if name in old]
        raise DamagedError(
            f"{index} is of schema {schema}, and this version reads schema {SCHEMA}; build it anew "
            f"with python index/build.py VIDEOS --index {index} --rebuild {' '.join(kept)}"
        )


def vectors_path(index: Path, content_hash: str) -> Path:
    """Return the path of the vector file of a video content."""
    return index / "vectors" / content_hash[:2] / f"{content_hash}.h5"


def write_vectors(index: Path, vectors: Vectors, *, synced: bool = True) -> None:
    """Write the vector file of a video; `synced` as for `index.storage.atomic_write`."""
    metadata = vectors.metadata
    arrays = {name: getattr(vectors, name) for name in _ARRAYS}
    attributes = {
        "schema": SCHEMA,
        "profile": vectors.profile.model_dump_json(),
        "content_hash": vectors.content_hash,
        "path_hint": stored_path(vectors.path_hint),
        "duration_s": metadata.duration_s,
        "start_s": metadata.start_s,
        "width": metadata.width,
        "height": metadata.height,
        "warnings": json.dumps(metadata.warnings),
    }
    write_sealed(
        vectors_path(index, vectors.content_hash),
        vectors.content_hash,
        arrays,
        attributes | {"hash": _digest(arrays, attributes)},
        synced=synced,
    )


def read_vectors(index: Path, content_hash: str) -> Vectors:
    """Read the vector file of a video, and check that it is what was written for this video.

    Raises:
        DamagedError: It is not.
        CueframeError: It is missing, or cannot be read now.
    """
    path = vectors_path(index, content_hash)
    arrays, attributes = read_sealed(path, content_hash, _ARRAYS)
    with damage_named(path):
        if attributes.pop("hash") != _digest(arrays, attributes):
            raise ValueError("what it holds is not what was written")
        if attributes["content_hash"] != content_hash:
            raise ValueError(f"it holds the vectors of {attributes['content_hash']}")
        return Vectors(
            **arrays,
            content_hash=content_hash,
            path_hint=os.fsdecode(attributes["path_hint"]),
            profile=Profile.model_validate_json(attributes["profile"]),
            metadata=VideoMetadata(
                duration_s=attributes["duration_s"],
                start_s=attributes["start_s"],
                width=attributes["width"],
                height=attributes["height"],
                warnings=json.loads(attributes["warnings"]),
            ),
        )


def read_timeline(index: Path, content_hash: str) -> Timeline:
    """Read when the frames of a video are shown, as `read_vectors` does."""
    return read_vectors(index, content_hash).timeline


def read_own_vectors(index: Path, profile: Profile, content_hash: str) -> Vectors:
    """Read the vector file of a video of this index, to be compared with other vectors.

    Raises:
        DamagedError: It is damaged, or its vectors are not of unit length.
        CueframeError: It is missing, cannot be read now, or was made by another profile.
    """
    vectors = read_vectors(index, content_hash)
    path = vectors_path(index, content_hash)
    if vectors.profile.key != profile.key:
        raise CueframeError(
            f"the vectors of {vectors.path_hint} are not of {index}/profile.json; "
            f"python index/check.py {index} --repair mends that"
        )
    with damage_named(path):
        if fault := vectors_fault(vectors, profile.width):
            raise ValueError(fault)
    return vectors


def vectors_fault(vectors: Vectors, width: int) -> str:
    """Say what is wrong with the arrays of a video; "" if nothing is. `width` is D."""
    embeddings, time_s, end_s = vectors.embeddings, vectors.time_s, vectors.end_s
    most = MOST_TILES if vectors.profile.view == "tiles" else 1
    shapes = [(len(time_s), tiles, width) for tiles in range(1, most + 1)]
    if embeddings.dtype != np.float16 or embeddings.shape not in shapes:
        wanted = f"(F, {'1' if most == 1 else f'1 to {most}'}, {width})"
        return f"it has {embeddings.dtype} {embeddings.shape}, not float16 {wanted}"
    if not len(time_s) or time_s[0] < 0 or not (np.diff(time_s) > 0).all():
        return "it has times that do not ascend from 0"
    if end_s.shape != time_s.shape or (end_s <= time_s).any() or (end_s[:-1] > time_s[1:]).any():
        return "it has frames that end before they begin or after the next one begins"
    values = embeddings.astype(np.float32)
    lengths = np.sqrt(np.einsum("ftd,ftd->ft", values, values))
    if not np.isfinite(lengths).all():
        return "it has values that are not finite"
    if np.abs(lengths - 1).max() > UNIT_LENGTH_TOLERANCE:
        worst = lengths.flat[np.abs(lengths - 1).argmax()]
        return f"it has vectors that are not of unit length (one is {worst:.3f})"
    return ""


def _digest(arrays: Mapping[str, npt.NDArray[Any]], attributes: Mapping[str, Any]) -> str:
    """Return the hash over arrays and attributes, whatever their order."""
    digest = xxhash.xxh3_128()
    for name, array in sorted(arrays.items()):
        digest.update(f"{name} {array.dtype.str} {array.shape} ".encode())
        digest.update(np.ascontiguousarray(array).data)
    for name, value in sorted(attributes.items()):
        # HDF5 gives bytes back as text; a path that is not UTF-8 is the same either way.
        text = value if isinstance(value, str | bytes) else repr(value)
        digest.update(os.fsencode(f"{name} ") + os.fsencode(text) + b" ")
    return digest.hexdigest()
