"""Many questions at once: from questions to records, each video's vectors read once.

Legend: N questions that can be asked, Q those of one video, D width, K picks.
"""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from index.errors import CueframeError
from index.store import Profile, read_clock
from infer.indexed import Library, find_indexed
from infer.metrics import Timed
from infer.pick import STRATEGIES, Floats, Rows, Scored, question_seed
from infer.questions import Question, caption
from infer.scores import picked_frames, score_video

_SHOWN_FAILURES = 10

Record = dict[str, Any]
"""One line of the answers: id, video, pick and frames, or id, video_path and error."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A question that has a text and an indexed video."""

    place: int
    """Among all questions."""
    question: Question
    text: str
    path: str
    """Of the video, as the index knows it."""
    content_hash: str


def ask(
    questions: list[Question], library: Library, setting: int
) -> tuple[list[Asked], dict[int, Record]]:
    """Give each question its text and its video; the records, by place, are of those without."""
    asked: list[Asked] = []
    failed: dict[int, Record] = {}
    for place, question in enumerate(questions):
        try:
            text = caption(question, setting)
            path, video = find_indexed(library, question.video_path)
        except CueframeError as error:
            failed[place] = failure(question, error)
        else:
            content = video.content_hash
            asked.append(
                Asked(place=place, question=question, text=text, path=path, content_hash=content)
            )
    return asked, failed


def on_timelines(index: Path, asked: Sequence[Asked]) -> list[Timed]:
    """The questions with the times of their videos' rows, each vector file opened once.

    Raises:
        CueframeError: A vector file is missing or damaged.
    """
    clocks = {content: read_clock(index, content) for content in by_video(asked)}
    return [Timed(one.question, *clocks[one.content_hash], one.content_hash) for one in asked]


Read = Callable[[Scored, Rows, list[int]], list[dict[str, Any]]]
"""Reads the vectors of a video for some of the questions asked, given their picked rows: what each
record gains, or its error."""


def answer_all(
    index: Path,
    profile: Profile,
    asked: Sequence[Asked],
    texts: Floats,
    *,
    pick: str,
    k: int,
    seed: int,
    read: Read | None = None,
) -> Iterator[list[tuple[int, Record]]]:
    """Pick K frames for each question, video by video; texts (N, D) are the questions' vectors.

    Yields:
        For each video its questions' places and records; an error is that of all of them, or the
        reader's.
    """
    choose = STRATEGIES[pick]
    for content, numbers in by_video(asked).items():
        own = [asked[n] for n in numbers]
        seeds = [question_seed(seed, one.question.id) for one in own]
        try:
            scored = score_video(
                index, profile, content, texts[numbers], np.array(seeds, np.uint64)
            )
        except CueframeError as error:
            yield [(one.place, failure(one.question, error)) for one in own]
            continue
        rows = choose(scored, k)
        more = read(scored, rows, numbers) if read else [{}] * len(own)
        records = []
        for one, frames, gained in zip(own, picked_frames(scored, rows, k), more, strict=True):
            record = {"id": one.question.id, "video": one.path, "pick": pick, "frames": frames}
            if "error" in gained:
                record = failure(one.question, gained["error"])
            records.append((one.place, record | gained))
        yield records


def by_video(asked: Sequence[Asked]) -> dict[str, list[int]]:
    """Content hashes, each with the positions in `asked` of its questions."""
    groups: dict[str, list[int]] = {}
    for n, one in enumerate(asked):
        groups.setdefault(one.content_hash, []).append(n)
    return groups


def failure(question: Question, error: object) -> Record:
    """The record of a question that cannot be answered."""
    return {"id": question.id, "video_path": question.video_path, "error": str(error)}


def tell_failures(failed: Mapping[int, Record], what: str, rest: str = "") -> None:
    """Some of the failed questions, in their order, and how many more, on stderr.

    Args:
        failed: Records from `failure`, by place.
        what: What stands before each: "failed".
        rest: What is said behind the number of those that are not shown.
    """
    for place in sorted(failed)[:_SHOWN_FAILURES]:
        print(f"{what}: {failed[place]['id']}: {failed[place]['error']}", file=sys.stderr)
    if len(failed) > _SHOWN_FAILURES:
        print(f"{what}: {len(failed) - _SHOWN_FAILURES} more{rest}", file=sys.stderr)
