"""Prepare the pictures of a folder that are not prepared yet, before the first step.

Threads suffice: Pillow decodes and resizes without the interpreter's lock. So there is no process
that could be killed, stopped or lost, and a signal ends the work at once.
"""

import io
import struct
import time
from collections.abc import Container, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import xxhash
from accelerate import PartialState
from accelerate.utils import broadcast_object_list
from PIL import Image

from index.discovery import stat_regular
from index.distributed import await_message, publish, rendezvous, share_work
from index.errors import CueframeError, VideoError
from index.memory import explain_out_of_memory
from index.models.preprocess import ImageTransform
from index.progress import bar
from train.pictures.store import FileState, PictureStore, Squares, line_of_file, state_of
from train.pictures.threads import in_threads
from train.pictures.writing import PairWriter

UNREADABLE = (
    *(OSError, SyntaxError, ValueError, EOFError, struct.error),
    Image.DecompressionBombError,
)
"""What Pillow raises of files that are no pictures."""
_LATE_S = 60
"""Seconds after which a network disk shows what another machine has written."""
_AHEAD = 64
"""Pictures that wait to be written, at most."""


class _Prepared(NamedTuple):
    state: FileState
    digest: str
    squares: npt.NDArray[np.uint8] | None
    """(T, H, W, 3); None if they are in the folder already."""


def prepared(
    files: Sequence[str],
    root: Path,
    folder: Path,
    transform: ImageTransform,
    *,
    workers: int,
    state: PartialState,
) -> tuple[PictureStore, list[Squares | None]]:
    """Prepare what is missing, shared out over the processes; every process calls this.

    Args:
        files: Paths of pictures.
        root: The folder they are in; they are known by their paths from there.
        folder: Folder of the transform (`train.pictures.store.folder_for`).
        transform: The image transform.
        workers: Threads of each process; 0 does without.
        state: The processes.

    Returns:
        The store, and where the squares of each file are; None where it cannot be read.

    Raises:
        CueframeError: The folder cannot be written, or the pictures' disk does not answer.
    """
    store = PictureStore(folder, transform)
    leads, count = state.is_main_process, state.num_processes
    missing = [n for n, file in enumerate(files) if leads and not _found(file, root, store)]

    def work(shard: list[int]) -> list[int]:
        """Prepare some of the files, by number; return those that cannot be read."""
        return _prepare(files, shard, root, folder, transform, store.pictures, workers)

    if count == 1:
        if missing:
            work(missing)
            store = PictureStore(folder, transform)
        return store, [_found(file, root, store) for file in files]
    plan = [missing]
    broadcast_object_list(plan)
    if plan[0]:
        with rendezvous(folder, state) as meeting:
            shards = [missing[rank::count] for rank in range(count)] if leads else None
            lost = [n for own in share_work(meeting, state, shards, work) for n in own]
            if leads:
                publish(meeting, "lost.json", lost)
            lost = await_message(meeting, "lost.json")
            state.wait_for_everyone()
        return _seen(files, root, folder, transform, {*lost})
    return store, [_found(file, root, store) for file in files]


def _seen(
    files: Sequence[str], root: Path, folder: Path, transform: ImageTransform, lost: Container[int]
) -> tuple[PictureStore, list[Squares | None]]:
    """Look until all that the processes have prepared is seen: network disks show it late.

    Raises:
        CueframeError: It is not seen.
    """
    for _ in range(_LATE_S):
        store = PictureStore(folder, transform)
        places = [_found(file, root, store) for file in files]
        if all(place or n in lost for n, place in enumerate(places)):
            return store, places
        time.sleep(1)
    raise CueframeError(
        f"{folder} does not show what other processes prepared; all of them need the same folder "
        "of pictures: name one by --pictures"
    )


def _found(file: str, root: Path, store: PictureStore) -> Squares | None:
    try:
        return store.of_file(state_of(_name(file, root), stat_regular(Path(file))))
    except OSError:
        return None


def _name(file: str, root: Path) -> str:
    return Path(file).relative_to(root).as_posix()


def _prepare(
    files: Sequence[str],
    numbers: Sequence[int],
    root: Path,
    folder: Path,
    transform: ImageTransform,
    known: Container[str],
    workers: int,
) -> list[int]:
    """Prepare the pictures of these numbers; return the numbers of those that cannot be read."""
    if not numbers:
        return []
    lost: list[int] = []
    written: set[str] = set()
    read = partial(_read, root=root, transform=transform, known=known)
    own = [files[n] for n in numbers]
    results = in_threads(read, own, threads=workers, ahead=_AHEAD) if workers else map(read, own)
    try:
        with (
            explain_out_of_memory("--num_workers"),
            PairWriter(folder, transform) as writer,
        ):
            for number, one in bar(zip(numbers, results, strict=True), "picture", len(own)):
                if one is None:
                    lost.append(number)
                    continue
                if one.squares is not None and one.digest not in written:
                    written.add(one.digest)
                    writer.note({"picture": one.digest, "squares": writer.add(one.squares)})
                writer.note(line_of_file(one.state, one.digest))
                writer.commit_if_large()
    except OSError as error:
        raise CueframeError(
            f"{folder} cannot be written ({error.strerror}); make room or rights, or name another "
            "folder by --pictures"
        ) from error
    return lost


def _read(
    file: str, *, root: Path, transform: ImageTransform, known: Container[str]
) -> _Prepared | None:
    """Read a picture and prepare it, unless its content is known; None if it cannot be read."""
    path = Path(file)
    try:
        state = state_of(_name(file, root), stat_regular(path))
        data = path.read_bytes()
        digest = xxhash.xxh3_128_hexdigest(data)
        if digest in known:
            return _Prepared(state, digest, None)
        with Image.open(io.BytesIO(data)) as image:
            picture = image.convert("RGB")
    except UNREADABLE:
        return None
    try:
        tiles = transform.tiles_of(picture)
    except VideoError:  # far too wide
        return None
    return _Prepared(state, digest, transform.squares(picture, tiles))
