"""Find video files and hash their content."""

import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import xxhash

from index.errors import CueframeError

SUFFIXES = frozenset(
    ".3gp .asf .avi .divx .f4v .flv .264 .h264 .265 .h265 .hevc .ivf .m1v .m2ts .m2v .m4v .mjpeg "
    ".mkv .mov .mp4 .mpeg .mpg .mts .mxf .ogm .ogv .qt .rm .rmvb .ts .vob .webm .wmv .y4m".split()
)
_LIST_SUFFIXES = (".txt", ".lst", ".list")
_BLOCK_BYTES = 8 * 2**20


@dataclass(frozen=True)
class HashedFile:
    """A video file as it was when its content was hashed."""

    path: str
    size: int
    mtime_ns: int
    content_hash: str


def list_videos(source: Path) -> list[Path]:
    """List the videos of a folder (searched recursively), of a text file of paths, or one file.

    Returns:
        Absolute paths, each once; those of a folder sorted, those of a text file in its order. A
        path in a text file is accepted whatever its suffix.

    Raises:
        CueframeError: `source` does not exist, or names no video.
    """
    if source.is_dir():
        found = sorted(
            Path(folder, name)
            for folder, _, names in os.walk(source)
            for name in names
            if Path(name).suffix.lower() in SUFFIXES and not name.startswith("._")
        )
        if not found:
            raise CueframeError(f"{source} holds no video file; name another folder")
    elif not source.is_file():
        raise CueframeError(
            f"{source} does not exist; name a folder of videos, a video or a text file of paths"
        )
    elif source.suffix.lower() in _LIST_SUFFIXES:
        try:
            lines = source.read_text(encoding="utf-8-sig").splitlines()
        except UnicodeDecodeError as error:
            raise CueframeError(f"{source} is no UTF-8 text file of paths: {error}") from error
        found = [Path(line.strip()) for line in lines if line.strip()]
        if not found:
            raise CueframeError(f"{source} names no video; write one path a line")
    else:
        found = [source]
    return list(dict.fromkeys(Path(os.path.abspath(path)) for path in found))  # noqa: PTH100 - resolve() would follow links to other names


def hash_files(paths: Iterable[Path]) -> Iterator[tuple[Path, HashedFile | OSError]]:
    """Yield each path with its content hash (xxh3, 128 bits), or the error of reading it.

    Threads suffice, since hashing releases the GIL and waits for the disk.
    """
    paths = list(paths)
    with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
        yield from zip(paths, pool.map(_hash_file, paths), strict=True)


def _hash_file(path: Path) -> HashedFile | OSError:
    try:
        state = path.stat()
        digest = xxhash.xxh3_128()
        with path.open("rb") as file:
            while block := file.read(_BLOCK_BYTES):
                digest.update(block)
        return HashedFile(str(path), state.st_size, state.st_mtime_ns, digest.hexdigest())
    except OSError as error:
        return error
