"""Find video files and hash their content."""

import codecs
import errno
import os
import stat
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

import xxhash

from index.errors import CueframeError
from index.messages import name_some

SUFFIXES = frozenset(
    ".264 .265 .266 .3g2 .3gp .amv .apng .asf .av1 .avc .avi .avs2 .bik .cavs .dav .dif .divx "
    ".drc .dv .dvr-ms .evo .f4v .flc .fli .flv .gif .gxf .h261 .h263 .h264 .h265 .h266 .hevc "
    ".insv .ismv .ivf .lrv .m1v .m2p .m2t .m2ts .m2v .m4v .mj2 .mjpeg .mjpg .mk3d .mkv .mlv "
    ".mov .mp2v .mp4 .mpe .mpeg .mpg .mpv .mts .mxf .mxg .nsv .nut .nuv .obu .ogm .ogv .pva "
    ".qt .rm .rmvb .roq .smk .swf .thp .tod .trp .ts .ty .usm .vc1 .viv .vob .vro .vvc .webm "
    ".wm .wmv .wtv .xmv .y4m".split()
)
"""Endings under which FFmpeg expects a video, without those that mostly mean something else (.ogg,
.dat, .mod, .png). Animated .webp and .avif are not among them: of these it decodes no frame, or the
first one alone."""
_LIST_SUFFIXES = (".txt", ".lst", ".list")
_BLOCK_BYTES = 8 * 2**20
_TICK_NS = 2 * 10**9
"""Clocks of file systems tick every 4 ms (ext4) to 2 s (FAT)."""
_INT64 = 2**63
_KINDS = {
    stat.S_IFDIR: "folder",
    stat.S_IFIFO: "FIFO",
    stat.S_IFSOCK: "socket",
    stat.S_IFCHR: "device",
    stat.S_IFBLK: "device",
}


@dataclass(frozen=True)
class HashedFile:
    """A video file as it was when its content was hashed."""

    path: str
    size: int
    mtime_ns: int
    content_hash: str
    inode: int | None = None
    ctime_ns: int | None = None
    """When content, name, rights or times last changed; no program can set it. None where it does
    not tell the content: older versions did not write it down, and a file that had changed just
    before it was hashed may have changed again in the same tick of the clock."""


@dataclass(frozen=True, kw_only=True)
class Scan:
    """What was found at a place."""

    videos: list[Path] = field(default_factory=list)
    """Absolute paths, each once."""
    left_out: list[str] = field(default_factory=list)
    """Paths of a folder that were not taken, for messages: with a word where they are no files."""
    unreadable: dict[str, str] = field(default_factory=dict)
    """Path to reason, of subfolders that cannot be read."""


def list_videos(source: Path) -> list[Path]:
    """Return the videos that `scan_videos` finds."""
    return scan_videos(source).videos


def scan_videos(source: Path, *, all_files: bool = False, without: Path | None = None) -> Scan:
    """Find the videos of a folder (searched recursively), of a text file of paths, or one file.

    Those of a folder are regular files and links to such, sorted; a link to a folder is followed,
    unless that folder is searched anyway or the link is in it. Those of a text file are in its
    order, whatever they are.

    Args:
        source: Folder, text file (.txt, .lst, .list) or video.
        all_files: Take the files of a folder whatever their suffix, except macOS's `._` files.
        without: Folder below `source` that is not searched, such as the index itself.

    Raises:
        CueframeError: `source` does not exist, is no regular file, or names no video.
    """
    if source.is_dir():
        return _scan_folder(source, all_files, without)
    try:
        stat_regular(source)
        if source.suffix.lower() in _LIST_SUFFIXES:
            return Scan(videos=_absolute(_listed(source)))
    except OSError as error:
        lost = isinstance(error, FileNotFoundError)
        what = "does not exist" if lost else f"cannot be read: {error.strerror}"
        raise CueframeError(
            f"{source} {what}; name a folder of videos, a video or a text file of paths"
        ) from error
    return Scan(videos=_absolute([source]))


def _scan_folder(source: Path, all_files: bool, without: Path | None) -> Scan:
    """Search a folder, then the folders that links in it lead to: each folder once."""
    scan = Scan()
    skipped = without and os.path.realpath(without)
    searched: set[str] = set()
    waiting = [source]
    found: list[Path] = []

    def note(error: OSError) -> None:
        scan.unreadable[str(error.filename)] = f"cannot be read: {error.strerror}"

    def is_new(folder: Path) -> bool:
        real = os.path.realpath(folder)
        new = real not in searched and not (skipped and Path(real).is_relative_to(skipped))
        searched.add(real)
        return new

    while waiting:
        top = waiting.pop(0)
        if not is_new(top):
            scan.left_out.append(f"{top} (a link to a folder that is not searched again)")
            continue
        links: list[Path] = []
        for folder, folders, names in os.walk(top, onerror=note):
            paths = [Path(folder, name) for name in folders]
            own = {path for path in paths if os.path.islink(path)}  # noqa: PTH114 - Path.is_symlink raises where a path is too long
            links.extend(own)
            # One below a linked folder may have been searched by a link of its own.
            folders[:] = [path.name for path in paths if path not in own and is_new(path)]
            for path in (Path(folder, name) for name in names):
                wanted = all_files or path.suffix.lower() in SUFFIXES
                kind = _kind(path) if wanted else ""
                if wanted and not kind and not path.name.startswith("._"):
                    found.append(path)
                else:
                    scan.left_out.append(f"{path} (a {kind})" if kind else str(path))
        for link in sorted(links):
            if _leads_up(link):
                scan.left_out.append(f"{link} (a link to a folder above it)")
            else:
                waiting.append(link)
    if not found:
        raise CueframeError(_nothing(source, scan))
    scan.videos.extend(_absolute(sorted(found)))
    scan.left_out.sort()
    return scan


def _leads_up(link: Path) -> bool:
    """Return whether a link leads to a folder that it is in."""
    return Path(os.path.realpath(link.parent)).is_relative_to(os.path.realpath(link))


def _nothing(source: Path, scan: Scan) -> str:
    """Say that a folder holds no video, and what it holds instead."""
    reasons = [f"{path} {reason}" for path, reason in scan.unreadable.items()]
    why = f" that can be read ({name_some(reasons)})" if reasons else ""
    other = f"; left out: {name_some(scan.left_out)}" if scan.left_out else ""
    remedy = ", or try all files by index/build.py --all-files" if scan.left_out else ""
    return f"{source} holds no video file{why}{other}; name another folder{remedy}"


def _listed(source: Path) -> list[Path]:
    """Read a text file of paths: one a line, or each ended by a NUL as `find -print0` does.

    Paths are bytes on Linux and need not be UTF-8. Windows' shells write UTF-16.
    """
    data = source.read_bytes()
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        data = data.decode("utf-16", errors="replace").encode()
    data = data.removeprefix(codecs.BOM_UTF8)
    lines = data.split(b"\0") if data.endswith(b"\0") else map(bytes.strip, data.splitlines())
    found = [Path(os.fsdecode(line)) for line in lines if line]
    if not found:
        raise CueframeError(f"{source} names no video; write one path a line")
    return found


def _absolute(paths: Iterable[Path]) -> list[Path]:
    return list(dict.fromkeys(Path(os.path.abspath(path)) for path in paths))  # noqa: PTH100 - resolve() would follow links to other names


def _kind(path: Path) -> str:
    """Return what a path leads to if that is no regular file; "" also if it leads nowhere."""
    try:
        return _kind_of(path.stat())
    except OSError:
        return ""


def _kind_of(state: os.stat_result) -> str:
    form = stat.S_IFMT(state.st_mode)
    return "" if form == stat.S_IFREG else _KINDS.get(form, "special file")


def stat_regular(path: Path) -> os.stat_result:
    """Return the state of a regular file, or of one that a link leads to.

    Raises:
        OSError: It is gone or out of reach, no file can have such a name, or it is no regular
            file: who opens a FIFO waits for its writer, and a device may never end.
    """
    try:
        state = path.stat()
    except ValueError as error:  # a NUL, or a lone surrogate that stands for no byte
        raise OSError(errno.EINVAL, "no file can have such a name") from error
    if kind := _kind_of(state):
        number = errno.EISDIR if kind == "folder" else errno.EINVAL
        raise OSError(number, f"it is a {kind}, not a regular file")
    return state


def is_regular_file(path: Path) -> bool:
    """Return whether a path leads to a regular file within reach."""
    try:
        stat_regular(path)
    except OSError:
        return False
    return True


def hash_files(paths: Iterable[Path]) -> Iterator[tuple[Path, HashedFile | OSError]]:
    """Yield each path with its content hash (xxh3, 128 bits), or the error of reading it.

    Threads suffice, since hashing releases the GIL and waits for the disk.
    """
    paths = list(paths)
    with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
        yield from zip(paths, pool.map(_hash_file, paths), strict=True)


def _hash_file(path: Path) -> HashedFile | OSError:
    try:
        stat_regular(path)
        digest = xxhash.xxh3_128()
        read_bytes = 0
        began_ns = time.time_ns()
        with path.open("rb") as file:
            before = os.fstat(file.fileno())
            while block := file.read(_BLOCK_BYTES):
                digest.update(block)
                read_bytes += len(block)
            after = os.fstat(file.fileno())
        if _version(before) != _version(after) or read_bytes != after.st_size:
            # The hash would be of a mixture.
            return OSError(
                errno.EBUSY, "it changes while it is read; run again when it is complete"
            )
    except OSError as error:
        return error
    seen = as_hashed(path, after, digest.hexdigest())
    return seen if has_settled(after, began_ns) else replace(seen, ctime_ns=None)


def has_settled(state: os.stat_result, now_ns: int) -> bool:
    """Return whether a file has not changed for longer than a tick of its disk's clock.

    If not, it may change again and keep its times.
    """
    return abs(now_ns - state.st_ctime_ns) > _TICK_NS


def as_hashed(path: Path, state: os.stat_result, content_hash: str) -> HashedFile:
    """Return a file of known content, as its state is now."""
    size, mtime_ns, inode, ctime_ns = _version(state)
    return HashedFile(str(path), size, mtime_ns, content_hash, inode, ctime_ns)


def is_as_hashed(file: HashedFile, state: os.stat_result) -> bool:
    """Return whether a file, by its state now, still has the content that was hashed.

    If not, it need not have changed: a file that is renamed gets another ctime, and network folders
    may give other inodes each time. Its hash tells.
    """
    return _version(state) == (file.size, file.mtime_ns, file.inode, file.ctime_ns)


def change_since(file: HashedFile) -> str:
    """Say what became of a file since it was hashed: "" if its content is the same.

    It is read again only where its state does not tell (`is_as_hashed`).
    """
    path = Path(file.path)
    try:
        same = is_as_hashed(file, stat_regular(path))
    except OSError:
        return "was moved or deleted while it was read; run again"
    if same:
        return ""
    now = _hash_file(path)
    if isinstance(now, HashedFile) and now.content_hash == file.content_hash:
        return ""
    return "was replaced while it was read; run again"


def _version(state: os.stat_result) -> tuple[int, int, int, int]:
    """Return size, mtime, inode and ctime, by which a file counts as unchanged.

    Size and mtime do not suffice: copies, archives and rsync -t set the mtime, and two files of one
    size may be swapped. SQLite holds 64 bits with a sign; an inode has no sign, and XFS knows years
    after 2262.
    """
    numbers = (state.st_size, state.st_mtime_ns, state.st_ino, state.st_ctime_ns)
    size, mtime_ns, inode, ctime_ns = ((n + _INT64) % (2 * _INT64) - _INT64 for n in numbers)
    return size, mtime_ns, inode, ctime_ns
