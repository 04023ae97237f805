"""A vision-language model reads the frames of many questions, each video decoded once.

Legend: Q questions of one video, B those that pass the model together.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image

from index.errors import CueframeError
from index.store import read_clock
from index.video import frames_at
from infer.answers import ReaderFrames
from infer.bulk import Asked, Record, failure
from infer.choices import lettered
from infer.questions import Question
from infer.shown import Floats, no_label, times_shown
from infer.vlm import Shown

Placed = tuple[int, Record]
Answer = Callable[[Sequence[Asked], Sequence[Shown]], list[dict[str, Any]]]
"""Answers a batch: what each question's record has as its answer."""


class _Plan(NamedTuple):
    """What shall be shown with a question."""

    times: dict[ReaderFrames, list[float]]
    choices: list[tuple[str, str]]


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

    While a batch is read, the next video is decoded. What is held are the pictures that the batch
    and two videos more show.

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
            record = pending.setdefault(turn.place, turn.record | {"answers": {}})
            record["answers"][turn.which] = found
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
    """What is shown with each question of a video, its frames decoded once for all.

    A question that lacks anything, be it for one kind of frames alone, has one turn with its error.
    """
    content = asked_at(records[0][0]).content_hash
    plans: dict[int, _Plan] = {}
    wrong: dict[int, str] = {}
    pictures: dict[float, Image.Image] = {}
    lost = ""
    try:
        clock = read_clock(index, content)
        for place, record in records:
            try:
                plans[place] = _plan(asked_at(place).question, record, *clock, which, k, free)
            except CueframeError as error:
                wrong[place] = str(error)
        shown_s = chain.from_iterable(plan.times.values() for plan in plans.values())
        wanted_s = sorted(set(chain.from_iterable(shown_s)))
        if wanted_s:
            frames = frames_at(file_of(content), wanted_s)
            pictures = {t: _shrunk(f.image, side) for t, f in zip(wanted_s, frames, strict=True)}
    except CueframeError as error:
        lost = str(error)
    turns: list[_Turn] = []
    for place, record in records:
        why = wrong.get(place, lost)
        if why:
            turns.append(_Turn(place, record, which[-1], None, why))
            continue
        text = asked_at(place).question.question
        for name, own in plans[place].times.items():
            shown = Shown([pictures[t] for t in own], own, text, plans[place].choices)
            turns.append(_Turn(place, record, name, shown))
    return turns


def _plan(
    question: Question,
    record: Record,
    time_s: Floats,
    duration_s: float,
    which: Sequence[ReaderFrames],
    k: int,
    free: bool,
) -> _Plan:
    """What shall be shown with a question.

    Raises:
        CueframeError: The record has an error, the choices are wrong, or a label is missing.
    """
    if "error" in record:
        raise CueframeError(record["error"])
    choices = [] if free else lettered(question)
    picked_s = [frame["time_s"] for frame in record["frames"]]
    times = {name: times_shown(name, question, picked_s, time_s, duration_s, k) for name in which}
    if not all(times.values()):
        raise CueframeError(no_label(question.id))
    return _Plan(times, choices)


def _shrunk(image: Image.Image, side: int) -> Image.Image:
    """The picture, no side of it longer than so many pixels."""
    small = image.copy()
    small.thumbnail((side, side), Image.Resampling.BICUBIC)
    return small
