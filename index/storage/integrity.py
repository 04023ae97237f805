"""Examine the files of an index: each problem is one line.

Every vector file is read once, and one at a time is in memory.

F: frames of a video, T: tiles of a frame, D: width of a vector.
"""

import os
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from index.discovery import HashedFile, hash_files, is_regular_file
from index.errors import CueframeError, DamagedError
from index.progress import bar
from index.storage.catalog import VideoRow, all_paths, all_videos, open_catalog, row_of
from index.storage.faiss_index import as_held, faiss_path
from index.storage.held_vectors import HeldVectors, open_held
from index.storage.sealed_file import damage_named
from index.storage.store import (
    Profile,
    Vectors,
    read_profile,
    read_vectors,
    vectors_fault,
    vectors_path,
)


@dataclass(frozen=True)
class SoundFile:
    """A vector file that holds what was written for its video."""

    path: Path
    row: VideoRow
    """What the catalog should say of it; `number` is 0."""
    path_hint: str
    profile: Profile


@dataclass(kw_only=True)
class Examination:
    """What is right and what is wrong with an index."""

    profile: Profile | None = None
    """What made the vectors: profile.json, or what most vector files say."""
    sound: dict[str, SoundFile] = field(default_factory=dict)
    """By content hash; all of `profile`."""
    unusable: dict[Path, str] = field(default_factory=dict)
    """Vector files that are damaged or of another profile, and why."""
    out_of_reach: dict[Path, str] = field(default_factory=dict)
    """Files that cannot be read now and may be sound, and why."""
    videos: dict[str, VideoRow] | None = None
    """The catalog's videos by content hash; None if it is damaged."""
    paths: dict[str, HashedFile] = field(default_factory=dict)
    unknown: set[str] = field(default_factory=set)
    """Contents of sound files that the catalog should have and has not."""
    video_faults: list[str] = field(default_factory=list)
    """Of video files that were compared with the catalog."""
    profile_fault: str = ""
    catalog_faults: list[str] = field(default_factory=list)
    search_faults: list[str] = field(default_factory=list)

    def waits_for(self, path: Path) -> bool:
        """Return whether a file, or a folder that it is in, cannot be read now."""
        return any(place in self.out_of_reach for place in (path, *path.parents))

    @property
    def problems(self) -> list[str]:
        """All problems, a line each."""
        files = [*self.unusable.values(), *self.out_of_reach.values()]
        profile = [self.profile_fault] if self.profile_fault else []
        return profile + files + self.catalog_faults + self.search_faults + self.video_faults


def examine(index: Path) -> Examination:
    """Examine an index.

    Raises:
        CueframeError: Its profile cannot be read now, or nothing in it can be used.
    """
    found = Examination()
    profile = _read_profile(index)
    _read_catalog(index, found)
    search = _open_held(index, found)
    rows = found.videos or {}
    every = _vector_files(index, found)
    for path in bar(every, "file", len(every)):
        vectors = _read_file(index, path, found)
        row = rows.get(path.stem)
        if vectors and search and row:
            _compare_search(search, row, vectors, found)
    _choose_profile(index, profile, found)
    if found.videos is not None:
        _compare_catalog(index, found, found.videos)
        if search:
            found.search_faults += search.surplus(found.videos)
    return found


def _vector_files(index: Path, found: Examination) -> list[Path]:
    """Return all vector files, in order of name; a folder that cannot be listed may have some."""
    files: list[Path] = []

    def note(error: OSError) -> None:
        if not isinstance(error, FileNotFoundError):
            found.out_of_reach[Path(error.filename)] = (
                f"{error.filename} cannot be read ({error.strerror}); make it readable, and run "
                "again"
            )

    top = index / "vectors"
    for folder, _, names in os.walk(top, onerror=note):
        if Path(folder).parent == top:
            files.extend(Path(folder, name) for name in names if name.endswith(".h5"))
    return sorted(files)


def _read_profile(index: Path) -> Profile | DamagedError:
    try:
        return read_profile(index)
    except DamagedError as error:
        return error


def _read_catalog(index: Path, found: Examination) -> None:
    try:
        with closing(open_catalog(index, must_exist=True)) as catalog:
            found.videos, found.paths = all_videos(catalog), all_paths(catalog)
    except DamagedError as error:
        found.videos = None
        found.catalog_faults.append(str(error))
    except CueframeError as error:
        found.out_of_reach[index / "catalog.sqlite"] = str(error)


def _read_file(index: Path, path: Path, found: Examination) -> Vectors | None:
    """Read a vector file; return None if it cannot be used."""
    if path != vectors_path(index, path.stem):
        found.unusable[path] = f"the vector file {path} stands in the folder of another"
        return None
    try:
        vectors = read_vectors(index, path.stem)
        with damage_named(path):
            if fault := vectors_fault(vectors, vectors.profile.width):
                raise ValueError(fault)
    except DamagedError as error:
        found.unusable[path] = str(error)
        return None
    except CueframeError as error:
        found.out_of_reach[path] = str(error)
        return None
    found.sound[path.stem] = SoundFile(
        path, row_of(index, vectors), vectors.path_hint, vectors.profile
    )
    return vectors


def _choose_profile(index: Path, said: Profile | DamagedError, found: Examination) -> None:
    """Decide what made the vectors: the profile is the suspect where most files agree on another.

    They may know its model by a former name.

    Raises:
        DamagedError: The profile is damaged, and no vector file says what it was.
    """
    profiles = [file.profile for file in found.sound.values()]
    counts = Counter(map(_nameless, profiles))
    most, count = counts.most_common(1)[0] if counts else (None, 0)
    agreed = None
    if 2 * count > len(profiles):
        agreed = Counter(one for one in profiles if _nameless(one) == most).most_common(1)[0][0]
    if isinstance(said, Profile):
        own = said if not agreed or _nameless(agreed) == _nameless(said) else agreed
        if own != said:
            found.profile_fault = (
                f"{index / 'profile.json'} says {_differences(said, own)} as {count} of "
                f"{len(found.sound)} vector files do; --repair makes it again from them"
            )
    elif agreed:
        own = agreed
        found.profile_fault = str(said)
    else:
        raise said
    found.profile = own
    for content, file in list(found.sound.items()):
        if file.profile.key != own.key:
            del found.sound[content]
            found.unusable[file.path] = (
                f"the vector file {file.path} was made by another profile: "
                f"{_differences(file.profile, own)}; --repair moves it away, and index/build.py "
                "embeds the video again"
            )


def _nameless(profile: Profile) -> Profile:
    """Return all of a profile but the model's name, which may have changed since."""
    return profile.model_copy(update={"model": ""})


def _differences(one: Profile, other: Profile) -> str:
    theirs = other.model_dump()
    return ", ".join(
        f"{name} {value}, not {theirs[name]}"
        for name, value in one.model_dump().items()
        if value != theirs[name]
    )


def _compare_catalog(index: Path, found: Examination, videos: dict[str, VideoRow]) -> None:
    """Find the differences between the catalog and the vector files."""
    bad = {path.stem for path in found.unusable}
    for content, video in videos.items():
        path = vectors_path(index, content)
        if video.status != "indexed" or content in bad or found.waits_for(path):
            continue
        if content not in found.sound:
            found.catalog_faults.append(
                f"the vector file {path} is missing; run index/build.py again"
            )
            continue
        true = replace(found.sound[content].row, number=video.number)
        if video.file_hash is None:  # of an earlier version of the catalog
            true = replace(true, file_hash=None)
        if video != true:
            found.catalog_faults.append(
                f"the catalog says (frames, s, bytes) {_brief(video)} of {path}, which has "
                f"{_brief(true)}; --repair"
            )
    led_to = {seen.content_hash for seen in found.paths.values()}
    for content, video in videos.items():
        if content not in led_to:
            found.catalog_faults.append(
                f"the catalog has video {video.number} of content {content}, but no path of it; "
                "--repair takes the one in its vector file"
            )
    found.unknown = _unknown(found, videos)
    for content in sorted(found.unknown):
        found.catalog_faults.append(
            f"the catalog does not know the vector file {found.sound[content].path}; --repair "
            "adds it"
        )
    for name, seen in found.paths.items():
        if seen.content_hash not in videos:
            found.catalog_faults.append(
                f"the catalog has {name}, but not its video; run index/build.py on it"
            )


def _unknown(found: Examination, videos: dict[str, VideoRow]) -> set[str]:
    """Return the contents that the catalog has not, though their videos are where they were.

    Other vector files that it does not know wait for their videos to come back, until `--prune`.
    """
    hints = {
        content: Path(file.path_hint)
        for content, file in found.sound.items()
        if content not in videos and file.path_hint not in found.paths
    }
    there = dict(hash_files(filter(is_regular_file, set(hints.values()))))
    return {
        content
        for content, path in hints.items()
        if isinstance(seen := there.get(path), HashedFile) and seen.content_hash == content
    }


def _brief(row: VideoRow) -> tuple[object, ...]:
    return row.frames, row.duration_s, row.file_bytes


def _compare_search(
    search: HeldVectors, row: VideoRow, vectors: Vectors, found: Examination
) -> None:
    """Compare a vector file with frames.faiss; where the catalog denies it too, it is the suspect.

    Args:
        search: The open frames.faiss.
        row: The catalog's row of the video.
        vectors: What the vector file holds.
        found: Gets what is wrong.
    """
    held, wanted = search.vectors_of(row), as_held(vectors.embeddings)
    if held is None or len(held) != len(wanted):
        found.search_faults.append(
            f"{search.path} has {0 if held is None else len(held)} of {len(wanted)} vectors of "
            f"video {row.number}; --repair"
        )
    elif not np.array_equal(held, wanted):
        file = found.sound[row.content_hash]
        if row.file_hash in (None, file.row.file_hash):
            found.search_faults.append(
                f"{search.path} has other vectors of video {row.number} than its file; --repair"
            )
        else:
            del found.sound[row.content_hash]
            found.unusable[file.path] = (
                f"the vector file {file.path} is not the one that the catalog and frames.faiss "
                "know; --repair moves it away, and index/build.py embeds the video again"
            )


def _open_held(index: Path, found: Examination) -> HeldVectors | None:
    try:
        return open_held(index)
    except DamagedError as error:
        found.search_faults.append(str(error))
    except CueframeError as error:
        found.out_of_reach[faiss_path(index)] = str(error)
    return None
