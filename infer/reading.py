"""A vision-language model reads the frames of many questions, each video decoded once.

Legend: Q questions of one video, B those that pass the model together.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image

from index.errors import CueframeError
from index.store import read_clock
from index.video import frames_at
from infer.bulk import Asked, Record, failure
from infer.choices import lettered
from infer.shown import ReaderFrames, no_label, times_shown
from infer.vlm import Shown

Placed = tuple[int, Record]
Answer = Callable[[Sequence[Asked], Sequence[Shown]], list[dict[str, Any]]]
"""Answers a batch: what each question's record has as its answer."""


class _Turn(NamedTuple):
    """A question with one kind of frames, ready to be read, or why it cannot be."""

    place: int
    record: Record
    which: ReaderFrames
    shown: Shown | None
    error: str = ""


def read_frames(
    videos: Iterable[list[Placed]],
    asked_at: Callable[[int], Asked],
    answer: Answer,
    *,
    index: Path,
    file_of: Callable[[str], Path],
    which: Sequence[ReaderFrames],
    k: int,
    batch: int,
    side: int,
    free: bool,
) -> Iterator[list[Placed]]:
    """Let a reader answer what `infer.bulk.answer_all` has picked frames for.

    While a batch is read, the next video is decoded. What is held are the pictures of two videos,
    those alone that their questions show.

    Args:
        videos: Records, a list for each video.
        asked_at: The question of a place.
        answer: The reader.
        index: Folder of the index.
        file_of: The file of a content hash; may raise VideoError.
        which: Frames to read; the first is the answer.
        k: K of the frames "uniform".
        batch: B at most.
        side: Longer side of a picture in pixels, to which a larger one is shrunk.
        free: Whether questions go without their choices.

    Yields:
        Places and records, as they get ready.
    """
    pending: dict[int, Record] = {}
    waiting: list[_Turn] = []

    def settle(turns: list[_Turn]) -> list[Placed]:
        """Read a batch; the records that have all their answers."""
        good = [(turn, turn.shown) for turn in turns if turn.shown]
        own = [asked_at(turn.place) for turn, _ in good]
        given = answer(own, [shown for _, shown in good]) if good else []
        for (turn, _), found in zip(good, given, strict=True):
            pending.setdefault(turn.place, turn.record | {"answers": {}})
            if "error" not in pending[turn.place]:
                pending[turn.place]["answers"][turn.which] = found
        for turn in turns:
            if turn.error:
                pending[turn.place] = failure(asked_at(turn.place).question, turn.error)
        ready = [turn.place for turn in turns if turn.which == which[-1]]
        return [(place, pending.pop(place)) for place in ready]

    for turns in _ahead(
        videos, lambda records: _turns(records, asked_at, index, file_of, which, k, side, free)
    ):
        waiting += turns
        while len(waiting) >= batch:
            yield settle(waiting[:batch])
            del waiting[:batch]
    if waiting:
        yield settle(waiting)


def _ahead(
    videos: Iterable[list[Placed]], make: Callable[[list[Placed]], list[_Turn]]
) -> Iterator[list[_Turn]]:
    """Each video's turns, made in a thread while those before are read; decoders free the lock."""
    with ThreadPoolExecutor(1) as pool:
        coming = None
        for records in videos:
            after = pool.submit(make, records)
            if coming:
                yield coming.result()
            coming = after
        if coming:
            yield coming.result()


def _turns(
    records: list[Placed],
    asked_at: Callable[[int], Asked],
    index: Path,
    file_of: Callable[[str], Path],
    which: Sequence[ReaderFrames],
    k: int,
    side: int,
    free: bool,
) -> list[_Turn]:
    """What is shown with each question of a video, its frames decoded once for all."""
    content = asked_at(records[0][0]).content_hash
    times: dict[tuple[int, str], list[float]] = {}
    pictures: dict[float, Image.Image] = {}
    lost = ""
    try:
        if any("error" not in record for _, record in records):
            time_s, duration_s = read_clock(index, content)
            for place, record in records:
                picked_s = [frame["time_s"] for frame in record.get("frames", [])]
                question = asked_at(place).question
                for name in which:
                    times[place, name] = times_shown(
                        name, question, picked_s, time_s, duration_s, k
                    )
            wanted_s = sorted({time_s for own in times.values() for time_s in own})
            frames = frames_at(file_of(content), wanted_s)
            pictures = {t: _shrunk(f.image, side) for t, f in zip(wanted_s, frames, strict=True)}
    except CueframeError as error:
        lost = str(error)

    def turn(place: int, record: Record, name: ReaderFrames) -> _Turn:
        question = asked_at(place).question
        own = times.get((place, name), [])
        wrong = record.get("error", lost) or ("" if own else no_label(question.id))
        try:
            choices = [] if free or wrong else lettered(question)
        except CueframeError as error:
            wrong = str(error)
        if wrong:
            return _Turn(place, record, name, None, wrong)
        shown = Shown([pictures[time_s] for time_s in own], own, question.question, choices)
        return _Turn(place, record, name, shown)

    return [turn(place, record, name) for place, record in records for name in which]


def _shrunk(image: Image.Image, side: int) -> Image.Image:
    """The picture, no side of it longer than so many pixels."""
    small = image.copy()
    small.thumbnail((side, side), Image.Resampling.BICUBIC)
    return small
