"""Vectors as an encoder gives them of drawn scenes: one place, in which events come and go."""

from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from index.decoding.frame_types import VideoMetadata
from index.discovery import HashedFile
from index.storage.catalog import open_catalog, put_paths, put_video, row_of
from index.storage.store import Profile, Vectors, write_profile, write_vectors
from infer.videos.copy_alignment import STEP_S, Course

WIDTH, KINDS = 64, 40


def scene(seed: int, seconds: int, *, alike: float = 0.0, shake: float = 0.01) -> Course:
    """The vectors of a video, one every half second.

    All videos show one place and share the kinds of events; when which one comes is drawn by seed.

    Args:
        seed: Of the events.
        seconds: Length.
        alike: How much all frames of all videos have in common, beside the place: 10 as of an
            untrained encoder.
        shake: Noise of each frame.
    """
    common = np.random.default_rng(0)
    place, kinds = common.normal(size=WIDTH), common.normal(size=(KINDS, WIDTH))
    rng = np.random.default_rng([1, seed])
    frames = np.tile(place, (round(seconds / STEP_S), 1))
    start = int(rng.integers(2, 6))
    while start < len(frames):
        length = int(rng.integers(2, 5))
        frames[start : start + length] += kinds[rng.integers(KINDS)]
        start += length + int(rng.integers(2, 8))
    frames += shake * rng.normal(size=frames.shape)
    return unit(frames + alike * common.normal(size=WIDTH))


def unit(frames: npt.NDArray[np.floating[Any]]) -> Course:
    """Frames as they are read from an index: rounded to float16, of unit length."""
    course = frames / np.linalg.norm(frames, axis=1, keepdims=True)
    course = course.astype(np.float16).astype(np.float32)
    found: Course = course / np.linalg.norm(course, axis=1, keepdims=True)
    return found


def copied(course: Course, start_s: float, seconds: float, *, seed: int, shake: float) -> Course:
    """A trimmed copy: between two frames of the original, and changed by encoding it anew.

    Args:
        course: The original.
        start_s: Where it begins; in between of two frames both are mixed.
        seconds: Its length.
        seed: Of the changes.
        shake: Their size, as a share of the distance of two frames that differ.
    """
    places = start_s / STEP_S + np.arange(round(seconds / STEP_S))
    low = np.floor(places).astype(int)
    high = np.minimum(low + 1, len(course) - 1)
    part = np.where((places - low < 0.5)[:, None], course[low], course[high])
    spread = np.linalg.norm(course - course.mean(axis=0), axis=1).max()
    noise = np.random.default_rng([2, seed]).normal(size=part.shape) / np.sqrt(part.shape[1])
    return unit(part + shake * spread * noise)


def content_of(name: str) -> str:
    """A content hash for a name."""
    return name.encode().hex().ljust(32, "0")[:32]


def vectors_of(name: str, course: Course, profile: Profile) -> Vectors:
    """What a vector file has of a video that is called so."""
    time_s = (np.arange(len(course)) * STEP_S).astype(np.float64)
    return Vectors(
        embeddings=course.astype(np.float16)[:, None],
        time_s=time_s,
        end_s=(time_s + STEP_S).astype(np.float64),
        content_hash=content_of(name),
        path_hint=f"/videos/{name}",
        profile=profile,
        metadata=VideoMetadata(duration_s=len(course) * STEP_S, start_s=0.0, width=320, height=180),
    )


def profile(fingerprint: str = "f") -> Profile:
    """What made such vectors."""
    return Profile(
        model="m",
        fingerprint=fingerprint,
        width=WIDTH,
        fps=1 / STEP_S,
        resize="exact",
        view="center",
        dtype="float32",
    )


def indexed(folder: Path, courses: Mapping[str, Course], fingerprint: str = "f") -> Path:
    """An index of videos by name."""
    folder.mkdir()
    made_by = profile(fingerprint)
    write_profile(folder, made_by)
    with closing(open_catalog(folder)) as catalog:
        for name, course in courses.items():
            vectors = vectors_of(name, course, made_by)
            write_vectors(folder, vectors)
            put_paths(catalog, [HashedFile(vectors.path_hint, 1, 1, vectors.content_hash)])
            put_video(catalog, row_of(folder, vectors))
    return folder
