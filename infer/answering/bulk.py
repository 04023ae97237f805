"""Turn queries into answer records in bulk, reading each video's vectors once.

Legend: Q queries of a block, all about one video, K picks.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby, islice
from pathlib import Path
from typing import Any

import numpy as np

from index.arrays import Floats, Integers
from index.boundary import costs_one
from index.errors import CueframeError
from index.storage.store import Profile
from infer.answering.choosers import Chooser, choose_fixed, choose_nested
from infer.queries import AnswerRecord, EncodedQuery, failure_record
from infer.selection.events import event_frames, scored_events
from infer.selection.frame_scores import (
    OtherView,
    PickedFrame,
    picked_frames,
    questions_at_once,
    read_other_view,
    read_stored_video,
    score_video,
)
from infer.selection.nested import NestedSets
from infer.selection.parts import parts_asked
from infer.selection.rules import Rule
from infer.selection.sequences import best_sequence
from infer.selection.strategies import ScoredVideo, question_seed

VectorReader = Callable[[ScoredVideo, Integers, Sequence[EncodedQuery]], list[dict[str, Any]]]
"""A reader of stored vectors: takes a video, or the part of it that queries ask about, the picked
rows of these queries (Q, picks) and the queries; returns for each what its record gains, or its
error."""


def answer_all(
    index: Path,
    profile: Profile,
    queries: Iterable[EncodedQuery],
    *,
    rule: Rule,
    k: int | NestedSets,
    seed: int,
    read: VectorReader | None = None,
    others: Sequence[tuple[Path, Profile]] = (),
) -> Iterator[list[tuple[int, AnswerRecord]]]:
    """Pick K frames for each question, block by block of a video's questions.

    One that has events gets a frame for each, the best sequence, whatever rule and K.

    Args:
        index: Folder of the index.
        profile: Its profile.
        queries: The questions, those about a video one after another.
        rule: How frames are picked.
        k: K, or how large each question's own set of frames is.
        seed: Seed of the strategies that draw.
        read: Reader of stored vectors.
        others: Further indexes that are asked, and their profiles.

    Yields:
        For each block, the places and records of its questions. If a video's vectors cannot be
        read, or anything unforeseen happens, all records of the block are errors; if a question's
        texts cannot be encoded, its video has no such span or the reader refuses it, that one is.
    """
    choose = choose_nested(rule, k) if isinstance(k, NestedSets) else choose_fixed(rule, k)
    how = _how(rule.pick, rule.smooth_s)
    how |= {"coverage": k.coverage} if isinstance(k, NestedSets) else {}
    for content, of_video in groupby(queries, key=lambda one: one.query.content_hash):
        lost: dict[str, str] = {}
        with costs_one(lost, content, CueframeError):
            stored = read_stored_video(index, profile, content)
            views = [read_other_view(*other, content, stored) for other in others]
            most = max([stored.n_vectors, *(view.n_vectors for view in views)])
        size = questions_at_once(1 if lost else most)
        while block := list(islice(of_video, size)):
            records: dict[int, AnswerRecord] = {}
            failed = dict(lost)
            good = [one for one in block if not isinstance(one.texts, CueframeError)]
            plain = [one for one in good if not one.query.question.events]
            if plain and not lost:
                with costs_one(failed, content):
                    seeds = [question_seed(seed, one.query.question.id) for one in plain]
                    seeded = np.array(seeds, np.uint64)
                    scored = score_video(stored, _vectors(plain), seeded, rule.join)
                    more = [
                        view.scores(own, rule.join)
                        for view, own in zip(views, _of_others(plain), strict=True)
                    ]
                    scored = scored._replace(others=more)
                    # One by one, so that the parts before a failing one keep their records.
                    records.update(_picked(scored, plain, choose, how, read))
            if len(plain) < len(good) and not lost:
                with costs_one(failed, content):
                    ordered = [one for one in good if one.query.question.events]
                    also = list(zip(views, _of_others(ordered), strict=True))
                    records.update(_sequences(stored, also, ordered, rule.smooth_s, read))
            for one in block:
                if one.query.place not in records:
                    why = one.texts if isinstance(one.texts, CueframeError) else failed[content]
                    records[one.query.place] = failure_record(one.query.question, why)
            yield [(one.query.place, records[one.query.place]) for one in block]


def _picked(
    scored: ScoredVideo,
    block: Sequence[EncodedQuery],
    choose: Chooser,
    how: dict[str, Any],
    read: VectorReader | None,
) -> Iterator[tuple[int, AnswerRecord]]:
    """Yield places and records of a block's questions, part by part of the video."""
    for asked, part in parts_asked(scored, [one.query.question.span_s for one in block]):
        if isinstance(part, CueframeError):
            for q in asked:
                yield block[q].query.place, failure_record(block[q].query.question, part)
            continue
        for same, alike, rows, k in choose(part):
            own = [block[asked[q]] for q in same]
            more = read(alike.video, rows, own) if read else [{}] * len(own)
            frames = picked_frames(alike, rows, k, _vectors(own))
            yield from _records(own, frames, more, how)


def _sequences(
    stored: ScoredVideo,
    others: Sequence[tuple[OtherView, Sequence[Sequence[Floats]]]],
    block: Sequence[EncodedQuery],
    smooth_s: float,
    read: VectorReader | None,
) -> Iterator[tuple[int, AnswerRecord]]:
    """Yield places and records of a block's questions that have events."""
    texts = _vectors(block)
    spans_s = [one.query.question.span_s for one in block]
    for asked, found in scored_events(stored, texts, spans_s, smooth_s, others):
        own = [block[q] for q in asked]
        if isinstance(found, CueframeError):
            for one, *_ in own:
                yield one.place, failure_record(one.question, found)
            continue
        rows = best_sequence(found.curves)  # (Q, E)
        more = read(found.of_questions, rows, own) if read else [{}] * len(own)
        frames = event_frames(found, rows, [texts[q] for q in asked])
        yield from _records(own, frames, more, _how("sequence", smooth_s))


def _how(pick: str, smooth_s: float) -> dict[str, Any]:
    """Return what a record says of how its frames were picked."""
    return {"pick": pick} | ({"smooth_s": smooth_s} if smooth_s else {})


def _records(
    queries: Sequence[EncodedQuery],
    frames: Sequence[list[PickedFrame]],
    more: Sequence[dict[str, Any]],
    how: dict[str, Any],
) -> Iterator[tuple[int, AnswerRecord]]:
    """Yield places and records of queries, given each one's frames and what a reader adds."""
    for (one, *_), picked, gained in zip(queries, frames, more, strict=True):
        if "error" in gained:
            yield one.place, failure_record(one.question, gained["error"])
        else:
            base = {"id": one.question.id, "video": one.path, **how}
            yield one.place, base | {"frames": picked} | gained


def _vectors(queries: Sequence[EncodedQuery]) -> list[Sequence[Floats]]:
    """Return the vectors of the texts of queries that have them."""
    return [one.texts for one in queries if not isinstance(one.texts, CueframeError)]


def _of_others(queries: Sequence[EncodedQuery]) -> list[list[Sequence[Floats]]]:
    """Return for each further index the vectors of the texts of queries."""
    return [list(own) for own in zip(*(one.others for one in queries), strict=True)]
