"""What several rules of picking pick for the same questions, reading each video's vectors once."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
from accelerate import PartialState

from index.arrays import Floats
from index.errors import CueframeError
from index.models.long_texts import LongText
from index.models.model_loading import Dtype
from infer.asked_indexes import AskedIndex, held_by_all
from infer.metrics import TimedQuestion
from infer.queries import AnswerRecord, Query, group_by_video, make_queries, on_timelines
from infer.query_encoder import encode_each, load_query_encoder, print_long_texts
from infer.question_texts import ChoiceTexts
from infer.questions import Question
from infer.selection.frame_scores import (
    Join,
    OtherView,
    blocks_of_questions,
    read_other_view,
    read_stored_video,
    score_video,
)
from infer.selection.parts import parts_asked
from infer.selection.rules import Rule, load_rule
from infer.selection.strategies import ScoredVideo
from infer.videos.indexed_videos import read_indexed_videos


class Reading(NamedTuple):
    """What a rule's scores are made of."""

    caption: int
    """1, 2 or 3 of `infer.question_texts.question_texts`."""
    choices: ChoiceTexts = "joined"
    join: Join = "max"


class Candidate(NamedTuple):
    """A rule of picking with the caption setting of its texts."""

    rule: Rule
    caption: int

    @property
    def reading(self) -> Reading:
        """What its scores are made of."""
        return Reading(self.caption, self.rule.choices, self.rule.join)


class AskedQuestions(NamedTuple):
    """Questions on their timelines, with the vectors of their texts in several readings."""

    indexes: Sequence[AskedIndex]
    queries: list[Query]
    timed: list[TimedQuestion]
    texts: dict[Reading, list[list[list[Floats]]]]
    """For each reading, and for each index, the vectors of the N questions' texts."""
    failed: dict[int, AnswerRecord]
    """By place, the failure records of the questions that cannot be asked."""

    def without_events(self) -> "AskedQuestions":
        """Return those without events, of which the frames are a sequence, whatever the rule."""
        kept = [n for n, one in enumerate(self.queries) if not one.question.events]
        return self._replace(
            queries=[self.queries[n] for n in kept],
            timed=[self.timed[n] for n in kept],
            texts={
                reading: [[own[n] for n in kept] for own in of_indexes]
                for reading, of_indexes in self.texts.items()
            },
        )


def ask(
    questions: Sequence[Question],
    indexes: Sequence[AskedIndex],
    readings: Sequence[Reading],
    *,
    long_text: LongText = "windows",
    dtype: Dtype = "auto",
) -> AskedQuestions:
    """Find the questions' videos, and encode their texts in several readings.

    A question that has no texts in one of them is left out of all.

    Raises:
        CueframeError: The model cannot be used or did not build the index, or no question can be
            asked.
    """
    first_index, *others = indexes
    indexed = read_indexed_videos(first_index.folder)
    made = {
        reading: make_queries(questions, indexed, reading.caption, reading.choices)
        for reading in dict.fromkeys(readings)
    }
    failed = {place: record for _, lost in made.values() for place, record in lost.items()}
    (first, _), *_ = made.values()
    held, unseen = held_by_all([one for one in first if one.place not in failed], others)
    queries, timed, without_part = on_timelines(first_index.folder, first_index.profile, held)
    failed |= unseen | without_part
    if not queries:
        return AskedQuestions(indexes, [], [], {}, failed)
    texts: dict[Reading, list[list[list[Floats]]]] = {reading: [] for reading in made}
    for index in indexes:
        encoder = load_query_encoder(
            index.folder,
            index.profile,
            model=index.model,
            dtype=dtype,
            device=PartialState().device,
            text_only=True,
        )
        long = dict.fromkeys((query.question.id for query in queries), False)
        for reading, (of_reading, _) in made.items():
            by_place = {query.place: query.texts for query in of_reading}
            own = [by_place[query.place] for query in queries]
            vectors, too_long = encode_each(encoder, own, long_text)
            texts[reading].append([[*of_question] for of_question in vectors])
            for query, is_long in zip(queries, too_long, strict=True):
                long[query.question.id] |= is_long
        names = [name for name, is_long in long.items() if is_long]
        print_long_texts(names, long_text, encoder.max_tokens)
    return AskedQuestions(indexes, queries, timed, texts, failed)


def picks_of_rules(
    asked: AskedQuestions, candidates: Mapping[str, Candidate], k: int
) -> Iterator[tuple[int, dict[str, Floats]]]:
    """Yield the number of each question, and the times in seconds of its picks by candidate.

    Scores are held of one reading of a block of a video's questions.

    Raises:
        CueframeError: A rule or a vector file cannot be used.
    """
    choosers = {name: load_rule(candidate.rule) for name, candidate in candidates.items()}
    by_reading: dict[Reading, list[str]] = {}
    for name, candidate in candidates.items():
        by_reading.setdefault(candidate.reading, []).append(name)
    for numbers, scored_by in scored_blocks_of(asked):
        spans_s = [asked.queries[n].question.span_s for n in numbers]
        picked: list[dict[str, Floats]] = [{} for _ in numbers]
        for reading, names in by_reading.items():
            for own, part in parts_asked(scored_by(reading), spans_s):
                if isinstance(part, CueframeError):  # `on_timelines` left none
                    raise part
                for name in names:
                    rows = choosers[name](part.video, k)
                    for place, q in enumerate(own):
                        picked[q][name] = part.time_s[rows[place]]
        yield from zip(numbers, picked, strict=True)


def scored_blocks_of(
    asked: AskedQuestions,
) -> Iterator[tuple[Sequence[int], Callable[[Reading], ScoredVideo]]]:
    """Yield the numbers of a block's questions, and what scores them in a reading.

    Each video's vectors are read once.

    Raises:
        CueframeError: A vector file cannot be used.
    """
    first, *others = asked.indexes
    for content, of_video in group_by_video(asked.queries).items():
        stored = read_stored_video(first.folder, first.profile, content)
        views = [read_other_view(one.folder, one.profile, content, stored) for one in others]
        most = max([stored.n_vectors, *(view.n_vectors for view in views)])
        for block in blocks_of_questions(len(of_video), most):
            numbers = of_video[block]
            yield numbers, partial(_scored, asked, stored, views, numbers)


def _scored(
    asked: AskedQuestions,
    stored: ScoredVideo,
    views: Sequence[OtherView],
    numbers: Sequence[int],
    reading: Reading,
) -> ScoredVideo:
    """Score questions about a video by all encoders."""
    texts, *more = [[own[n] for n in numbers] for own in asked.texts[reading]]
    scored = score_video(stored, texts, np.zeros(len(numbers), np.uint64), reading.join)
    others = [view.scores(own, reading.join) for view, own in zip(views, more, strict=True)]
    return scored._replace(others=others)
