"""What several rules of picking pick for the same questions, reading each video's vectors once."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from accelerate import PartialState

from index.arrays import Floats
from index.errors import CueframeError
from index.models.long_texts import LongText
from index.models.model_loading import Dtype
from index.storage.store import Profile, read_profile
from infer.metrics import TimedQuestion
from infer.queries import AnswerRecord, Query, group_by_video, make_queries, on_timelines
from infer.query_encoder import encode_each, load_query_encoder, print_long_texts
from infer.question_texts import ChoiceTexts
from infer.questions import Question
from infer.selection.frame_scores import (
    Join,
    blocks_of_questions,
    read_stored_video,
    score_video,
)
from infer.selection.parts import parts_asked
from infer.selection.rules import Rule, load_rule
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

    profile: Profile
    queries: list[Query]
    timed: list[TimedQuestion]
    texts: dict[Reading, list[list[Floats]]]
    """For each reading the vectors of the N questions' texts."""
    failed: dict[int, AnswerRecord]
    """By place, the failure records of the questions that cannot be asked."""

    def without_events(self) -> "AskedQuestions":
        """Return those that a rule picks for: frames of events are a sequence, whatever the rule."""
        kept = [n for n, one in enumerate(self.queries) if not one.question.events]
        return self._replace(
            queries=[self.queries[n] for n in kept],
            timed=[self.timed[n] for n in kept],
            texts={reading: [own[n] for n in kept] for reading, own in self.texts.items()},
        )


def ask(
    questions: Sequence[Question],
    index: Path,
    readings: Sequence[Reading],
    *,
    long_text: LongText = "windows",
    model: str | None = None,
    dtype: Dtype = "auto",
) -> AskedQuestions:
    """Find the questions' videos, and encode their texts in several readings.

    A question that has no texts in one of them is left out of all.

    Raises:
        CueframeError: The model cannot be used or did not build the index, or no question can be
            asked.
    """
    profile, indexed = read_profile(index), read_indexed_videos(index)
    made = {
        reading: make_queries(questions, indexed, reading.caption, reading.choices)
        for reading in dict.fromkeys(readings)
    }
    failed = {place: record for _, lost in made.values() for place, record in lost.items()}
    (first, _), *_ = made.values()
    queries, timed, without_part = on_timelines(
        index, profile, [query for query in first if query.place not in failed]
    )
    failed |= without_part
    if not queries:
        return AskedQuestions(profile, [], [], {}, failed)
    device = PartialState().device
    encoder = load_query_encoder(index, profile, model=model, dtype=dtype, device=device)
    texts, long = {}, dict.fromkeys((query.question.id for query in queries), False)
    for reading, (of_reading, _) in made.items():
        by_place = {query.place: query.texts for query in of_reading}
        own = [by_place[query.place] for query in queries]
        vectors, too_long = encode_each(encoder, own, long_text)
        texts[reading] = [[*of_question] for of_question in vectors]
        for query, is_long in zip(queries, too_long, strict=True):
            long[query.question.id] |= is_long
    names = [name for name, is_long in long.items() if is_long]
    print_long_texts(names, long_text, encoder.max_tokens)
    return AskedQuestions(profile, queries, timed, texts, failed)


def picks_of_rules(
    index: Path, asked: AskedQuestions, candidates: Mapping[str, Candidate], k: int
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
    for content, of_video in group_by_video(asked.queries).items():
        stored = read_stored_video(index, asked.profile, content)
        for block in blocks_of_questions(len(of_video), stored.n_vectors):
            numbers = of_video[block]
            spans_s = [asked.queries[n].question.span_s for n in numbers]
            seeds = np.zeros(len(numbers), np.uint64)
            picked: list[dict[str, Floats]] = [{} for _ in numbers]
            for reading, names in by_reading.items():
                texts = [asked.texts[reading][n] for n in numbers]
                scored = score_video(stored, texts, seeds, reading.join)
                for own, part in parts_asked(scored, spans_s):
                    if isinstance(part, CueframeError):  # `on_timelines` left none
                        raise part
                    for name in names:
                        rows = choosers[name](part.video, k)
                        for place, q in enumerate(own):
                            picked[q][name] = part.time_s[rows[place]]
            yield from zip(numbers, picked, strict=True)
