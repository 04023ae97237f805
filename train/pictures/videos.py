"""Sampled frames of videos: decoded once, kept as the model's input, and read from then on.

`decoded_or_kept` stands for `index.decoding.worker_pool.decode_all` and yields the same events in
the same order, so that what is made of them is the same.
"""

import contextlib
import shutil
from collections.abc import Generator, Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from index.decoding.frame_types import VideoMetadata
from index.decoding.sampler import FrameSampler
from index.decoding.worker_pool import Chunk, Done, Event, Failed, Opened, Pin, decode_all
from index.discovery import hash_files, stat_regular
from index.messages import say
from index.models.preprocess import ImageTransform
from train.pictures.store import (
    FileState,
    KeptVideo,
    PictureStore,
    folder_for,
    line_of_file,
    state_of,
)
from train.pictures.writing import PairWriter

_SHARE = 4
"""A video is kept only if its squares take no more than one of so many parts of the free room."""


class _Keeper:
    """Writes the frames of videos as they are decoded, several at a time.

    What cannot be kept is decoded again the next time, so no error of writing ends a run.
    """

    def __init__(
        self, folder: Path, sampler: FrameSampler, known: Mapping[str, tuple[FileState, str]]
    ) -> None:
        self._folder, self._sampler, self._known = folder, sampler, known
        self._writers: dict[str, PairWriter] = {}
        self._lines: dict[str, dict[str, Any]] = {}
        self._told = False

    def see(self, event: Event) -> None:
        """Take what an event brings."""
        job = event.job
        if isinstance(event, Opened) and job in self._known:
            self._writers[job] = PairWriter(self._folder, self._sampler.transform)
            self._lines[job] = {
                "video": self._known[job][1],
                "fps": self._sampler.fps,
                "claimed_s": event.claimed_s,
                "tiles": 1,
                "chunks": [],
            }
        elif job in self._writers:
            try:
                self._take(event)
            except OSError as error:
                self._leave_out(job, f"{self._folder} cannot be written: {error.strerror}")

    def close(self) -> None:
        """Forget the videos that are not complete."""
        for writer in self._writers.values():
            writer.drop()

    def _take(self, event: Event) -> None:
        job, line, writer = event.job, self._lines[event.job], self._writers[event.job]
        if isinstance(event, Chunk):
            if not line["chunks"]:
                frame = event.pixels[0].nbytes * event.tiles
                need = int(line["claimed_s"] * self._sampler.fps) * frame
                self._folder.mkdir(parents=True, exist_ok=True)
                free = shutil.disk_usage(self._folder).free
                if need * _SHARE > free:
                    self._leave_out(
                        job,
                        f"they take {need / 1e9:.1f} GB of {free / 1e9:.1f} free in {self._folder}",
                    )
                    return
            line["tiles"] = event.tiles
            line["chunks"].append([writer.add(event.pixels), event.time_s, event.end_s])
        elif isinstance(event, Done):
            if state_of(job, stat_regular(Path(job))) == self._known[job][0]:
                writer.note(line | {"metadata": asdict(event.metadata)})
                writer.commit()
            self._writers.pop(job).drop()
        elif isinstance(event, Failed):
            self._writers.pop(job).drop()

    def _leave_out(self, job: str, reason: str) -> None:
        self._writers.pop(job).drop()
        if not self._told:
            self._told = True
            say(
                f"frames of {job} are not kept ({reason}), so each validation decodes it; make "
                "room, or name another folder by --pictures"
            )


def decoded_or_kept(
    jobs: Iterable[str],
    read: FrameSampler,
    *,
    side: tuple[int, int],
    workers: int,
    limit_s: float | None,
    pin: Pin | None = None,
    pictures: Path,
) -> Generator[Event, None, None]:
    """Yield the events of `decode_all`; of a video that is kept, without decoding it.

    Args:
        jobs: Paths of videos.
        read: The sampler, which decides what is kept together with a video's content.
        side: As for `decode_all`, like `workers` and `limit_s`.
        workers: Number of processes that decode.
        limit_s: Seconds for a path.
        pin: As for `decode_all`; frames that are kept are not in such memory.
        pictures: Folder of prepared pictures; what is decoded is added to it.
    """
    jobs = list(jobs)
    folder = folder_for(pictures, read.transform)
    store = PictureStore(folder, read.transform)
    known = _known(jobs, store, folder, read.transform)
    found = {job: store.videos.get((content, read.fps)) for job, (_, content) in known.items()}
    kept = {job: video for job, video in found.items() if video}
    place = {job: number for number, job in enumerate(jobs)}
    waiting = [job for job in reversed(jobs) if job in kept]
    keeper = _Keeper(folder, read, known)
    try:
        others = [job for job in jobs if job not in kept]
        for event in decode_all(others, read, side=side, workers=workers, limit_s=limit_s, pin=pin):
            if isinstance(event, Opened):  # those before it in order come before it
                while waiting and place[waiting[-1]] < place[event.job]:
                    yield from _events(waiting[-1], kept[waiting.pop()], store)
            keeper.see(event)
            yield event
        while waiting:
            yield from _events(waiting[-1], kept[waiting.pop()], store)
    finally:
        keeper.close()
        store.close()


def _events(job: str, video: KeptVideo, store: PictureStore) -> Generator[Event, None, None]:
    yield Opened(job, video.claimed_s)
    for squares, times_s, ends_s in video.chunks:
        pixels = np.empty((squares.length, *store.side, 3), np.uint8)
        store.read(squares, pixels)
        yield Chunk(job, times_s, ends_s, video.tiles, pixels)
    yield Done(job, VideoMetadata(**video.metadata), 0.0)


def _known(
    jobs: list[str], store: PictureStore, folder: Path, transform: ImageTransform
) -> dict[str, tuple[FileState, str]]:
    """Return the state and content hash of each file; one that is as it was is not read for it."""
    states: dict[str, FileState] = {}
    for job in jobs:
        with contextlib.suppress(OSError):  # its decoding says why
            states[job] = state_of(job, stat_regular(Path(job)))
    hashes = {job: store.digests[s] for job, s in states.items() if s in store.digests}
    writer = PairWriter(folder, transform)
    for path, seen in hash_files(Path(job) for job in states if job not in hashes):
        if not isinstance(seen, OSError):
            hashes[str(path)] = seen.content_hash
            writer.note(line_of_file(states[str(path)], seen.content_hash))
    with contextlib.suppress(OSError):  # else they are read again the next time
        writer.commit()
    return {job: (states[job], content) for job, content in hashes.items()}
