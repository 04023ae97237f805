"""Answer many questions with a vision-language reader, decoding each video once.

Legend: B questions of a batch.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, groupby
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image

from index.boundary import costs_one, in_halves
from index.decoding.decoders import frames_at
from index.errors import CueframeError
from index.spans import Timeline
from index.storage.store import read_timeline
from infer.answer_file import ReaderFrames
from infer.choices import lettered
from infer.queries import AnswerRecord, Query, failure_record
from infer.questions import Question
from infer.readers.shown_frames import no_label, times_shown
from infer.readers.spooled_pictures import SpooledPictures
from infer.readers.vision_language import ReaderInput

Placed = tuple[int, AnswerRecord]
AskModel = Callable[[Sequence[Query], Sequence[ReaderInput]], list[dict[str, Any]]]
"""Function that answers a batch; returns the answer for each question's record."""


class _Plan(NamedTuple):
    """The frame times and the choices to show with a question."""

    times: dict[ReaderFrames, list[float]]
    choices: list[tuple[str, str]]


class _ReaderTask(NamedTuple):
    """A question with one kind of frames, ready for the reader, or the error that prevents it."""

    place: int
    record: AnswerRecord
    which: ReaderFrames
    times_s: Sequence[float] = ()
    choices: Sequence[tuple[str, str]] = ()
    pictures: SpooledPictures | None = None
    """The frames of its video; None with an error."""
    error: str = ""

    def shown(self, question: str) -> ReaderInput:
        """Return the question with its frames; the task has no error."""
        assert self.pictures is not None
        frames = [self.pictures[time_s] for time_s in self.times_s]
        return ReaderInput(frames, self.times_s, question, self.choices)


def read_answers(
    blocks: Iterable[list[Placed]],
    query_at: Callable[[int], Query],
    answer: AskModel,
    *,
    index: Path,
    file_of: Callable[[str], Path],
    which: Sequence[ReaderFrames],
    batch: int,
    side: int,
    free: bool,
) -> Iterator[list[Placed]]:
    """Let a reader answer the questions for which `infer.answering.bulk.answer_all` picked frames.

    While a batch is read, the next video is decoded. Only the images of the batch are held, and
    those of two videos as `SpooledPictures` does.

    Args:
        blocks: Places and records; the blocks of a video come one after another.
        query_at: Returns the query of a place.
        answer: The reader.
        index: Folder of the index.
        file_of: Returns the file of a content hash; may raise VideoError.
        which: Kinds of frames to show; the first gives the answer.
        batch: Maximum B.
        side: Longer side of an image in pixels, to which a larger one is shrunk.
        free: Ask for a free text, without the choices.

    Yields:
        Places and records, as they are ready.
    """
    pending: dict[int, AnswerRecord] = {}
    waiting: list[_ReaderTask] = []

    def settle(turns: list[_ReaderTask]) -> list[Placed]:
        """Read a batch and return the records whose answers are complete."""
        wrong: dict[int, str] = {}
        good = [turn for turn in turns if not turn.error]
        own = [query_at(turn.place) for turn in good]
        shown = [turn.shown(one.question.question) for turn, one in zip(good, own, strict=True)]
        given = _given(answer, own, shown)
        for turn, found in zip(good, given, strict=True):
            record = pending.setdefault(turn.place, turn.record | {"answers": {}})
            if "error" in found:
                wrong[turn.place] = found["error"]
            elif "error" not in record:  # as of another kind of frames
                record["answers"][turn.which] = found
        wrong |= {turn.place: turn.error for turn in turns if turn.error}
        for place, why in wrong.items():
            pending[place] = failure_record(query_at(place).question, why)
        ready = [turn.place for turn in turns if turn.which == which[-1]]
        return [(place, pending.pop(place)) for place in ready]

    videos = _by_video(blocks, lambda placed: query_at(placed[0]).content_hash)
    for turns in _ahead(
        videos, lambda records: _tasks(records, query_at, index, file_of, which, side, free)
    ):
        waiting += turns
        while len(waiting) >= batch:
            yield settle(waiting[:batch])
            del waiting[:batch]
    if waiting:
        yield settle(waiting)


def _by_video(
    blocks: Iterable[list[Placed]], content_of: Callable[[Placed], str]
) -> Iterator[list[Placed]]:
    """Join the blocks of a video, so that it is decoded once for all of its questions."""
    for _, own in groupby(chain.from_iterable(blocks), content_of):
        yield list(own)


def _given(
    answer: AskModel, queries: Sequence[Query], shown: Sequence[ReaderInput]
) -> list[dict[str, Any]]:
    """Return the answer to each question, or the error of one that cannot be answered.

    As where the model's processor refuses the shape of a picture, or memory runs out.
    """

    def ask(pairs: Sequence[tuple[Query, ReaderInput]]) -> list[dict[str, Any]]:
        return answer([query for query, _ in pairs], [one for _, one in pairs])

    found = in_halves(ask, list(zip(queries, shown, strict=True)))
    return [{"error": why} if given is None else given for given, why in found]


def _ahead(
    videos: Iterable[list[Placed]], make: Callable[[list[Placed]], list[_ReaderTask]]
) -> Iterator[list[_ReaderTask]]:
    """Yield each video's tasks, made in a thread while those before are read.

    Decoders release the GIL.
    """
    with ThreadPoolExecutor(1) as pool:
        coming = None
        for records in videos:
            after = pool.submit(make, records)
            if coming:
                yield coming.result()
            coming = after
        if coming:
            yield coming.result()


def _tasks(
    records: list[Placed],
    query_at: Callable[[int], Query],
    index: Path,
    file_of: Callable[[str], Path],
    which: Sequence[ReaderFrames],
    side: int,
    free: bool,
) -> list[_ReaderTask]:
    """Make the tasks of a video's questions, decoding its frames once for all.

    A question that lacks anything, even for one kind of frames alone, has one task with its error.
    """
    content = query_at(records[0][0]).content_hash
    plans: dict[int, _Plan] = {}
    wrong: dict[int, str] = {}
    pictures: SpooledPictures | None = None
    lost: dict[str, str] = {}
    with costs_one(lost, content, CueframeError):
        timeline = read_timeline(index, content)
        for place, record in records:
            with costs_one(wrong, place, CueframeError):
                plans[place] = _plan(query_at(place).question, record, timeline, which, free)
        shown_s = chain.from_iterable(plan.times.values() for plan in plans.values())
        wanted_s = sorted(set(chain.from_iterable(shown_s)))
        if wanted_s:
            frames = frames_at(file_of(content), wanted_s)
            small = (_shrunk(frame.image, side) for frame in frames)
            pictures = SpooledPictures(zip(wanted_s, small, strict=True))
    turns: list[_ReaderTask] = []
    for place, record in records:
        why = wrong.get(place) or lost.get(content)
        if why:
            turns.append(_ReaderTask(place, record, which[-1], error=why))
            continue
        for name, own_s in plans[place].times.items():
            turns.append(_ReaderTask(place, record, name, own_s, plans[place].choices, pictures))
    return turns


def _plan(
    question: Question,
    record: AnswerRecord,
    timeline: Timeline,
    which: Sequence[ReaderFrames],
    free: bool,
) -> _Plan:
    """Return the frame times and the choices to show with a question.

    Raises:
        CueframeError: The record has an error, the choices are wrong, or a label is missing.
    """
    if "error" in record:
        raise CueframeError(record["error"])
    choices = [] if free else lettered(question)
    picked_s = [frame["time_s"] for frame in record["frames"]]
    times = {name: times_shown(name, question, picked_s, timeline) for name in which}
    if not all(times.values()):
        raise CueframeError(no_label(question.id))
    return _Plan(times, choices)


def _shrunk(image: Image.Image, side: int) -> Image.Image:
    """Return a copy of an image, shrunk if needed to a longer side of `side` pixels."""
    small = image.copy()
    small.thumbnail((side, side), Image.Resampling.BICUBIC)
    return small
