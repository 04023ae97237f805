"""Turn queries into answer records in bulk, reading each video's vectors once.

Legend: N queries, Q those of one video, D width, K picks.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from index.arrays import Floats, Integers
from index.boundary import costs_one
from index.errors import CueframeError, VideoError
from index.storage.store import Profile
from infer.queries import AnswerRecord, Query, failure_record, group_by_video
from infer.selection.frame_scores import picked_frames, score_video
from infer.selection.parts import parts_asked
from infer.selection.strategies import ScoredVideo, load_strategy, question_seed

VectorReader = Callable[[ScoredVideo, Integers, list[int]], list[dict[str, Any]]]
"""A reader of stored vectors: takes a video, or the part of it that queries ask about, the picked
rows of these queries and their positions; returns for each query what its record gains, or its
error."""


def answer_all(
    index: Path,
    profile: Profile,
    queries: Sequence[Query],
    texts: Floats,
    *,
    pick: str,
    k: int,
    seed: int,
    read: VectorReader | None = None,
) -> Iterator[list[tuple[int, AnswerRecord]]]:
    """Pick K frames for each question, video by video; texts (N, D) are the questions' vectors.

    Yields:
        For each video, the places and records of its questions. If its vectors cannot be read, or
        anything unforeseen happens, all records are errors; if the reader refuses a question or its
        video has no such span, that one is.
    """
    choose = load_strategy(pick)
    for content, numbers in group_by_video(queries).items():
        own = [queries[n] for n in numbers]
        seeds = [question_seed(seed, one.question.id) for one in own]
        records: dict[int, AnswerRecord] = {}
        lost: dict[str, str] = {}
        with costs_one(lost, content):
            try:
                scored = score_video(
                    index, profile, content, texts[numbers], np.array(seeds, np.uint64)
                )
            except CueframeError as error:
                raise VideoError(str(error)) from error
            for asked, part in parts_asked(scored, [one.question.span_s for one in own]):
                if isinstance(part, CueframeError):
                    records |= {q: failure_record(own[q].question, part) for q in asked}
                    continue
                rows = choose(part.video, k)
                more = (
                    read(part.video, rows, [numbers[q] for q in asked])
                    if read
                    else [{}] * len(asked)
                )
                found = zip(asked, picked_frames(part, rows, k), more, strict=True)
                for q, frames, gained in found:
                    one = own[q]
                    base = {"id": one.question.id, "video": one.path, "pick": pick}
                    record = base | {"frames": frames}
                    if "error" in gained:
                        record = failure_record(one.question, gained["error"])
                    records[q] = record | gained
        for reason in lost.values():
            records = {q: failure_record(o.question, reason) for q, o in enumerate(own)} | records
        yield [(one.place, records[q]) for q, one in enumerate(own)]
