"""How often frames picked by a student's vectors hit, beside the teacher's own and uniform ones.

Picks are those of `quarters`, as infer/compare.py scores them.

Legend: N questions, w windows of a text, D width of a vector.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from index.arrays import Floats
from index.messages import say
from index.storage.store import Profile
from infer.asked_indexes import AskedIndex
from infer.evaluation.baselines import FIGURES
from infer.evaluation.bootstrap import Estimate, estimates
from infer.evaluation.rule_picks import AskedQuestions, Candidate, Reading, picks_of_rules
from infer.evaluation.score_table import uniform_picks
from infer.evaluation.text_tables import format_estimate, print_table, row_json
from infer.metrics import picked_spans
from infer.queries import make_queries, on_timelines, print_failures
from infer.questions import Question
from infer.selection.rules import Rule
from infer.videos.indexed_videos import IndexedVideos

K = 4
_FEW_VIDEOS = 10
"""Of fewer, a bootstrap by videos draws the same few again and again."""
_CAPTION = 1
_READING = Reading(_CAPTION)
_RULE = "quarters"
_UNIFORM = "uniform"


def asked_of_index(
    questions: Sequence[Question], index: Path, profile: Profile, indexed: IndexedVideos
) -> AskedQuestions:
    """Return the questions whose videos are indexed, on their timelines, without vectors yet.

    Those that cannot be asked are named on stderr.
    """
    queries, failed = make_queries(questions, indexed, None)
    there, timed, without_part = on_timelines(index, profile, queries)
    print_failures(failed | without_part, "not asked")
    return AskedQuestions(
        [AskedIndex(index, profile, None)], there, timed, {}, failed | without_part
    ).without_events()


class HitTable(NamedTuple):
    """Shares of the questions whose picks hit, with 95 % intervals by video."""

    rows: dict[str, Estimate]
    leads: dict[str, Estimate]
    """By way of the student, its paired difference to the teacher's own language, where known."""
    questions: int
    videos: int

    def print(self) -> None:
        """Print the table to stderr."""
        head = [f"%, {self.questions} questions, {self.videos} videos", "hit"]
        body = [[name, format_estimate("hit", {"hit": row})] for name, row in self.rows.items()]
        print_table([head, *body])
        if self.videos < _FEW_VIDEOS:
            say(f"these intervals are by {self.videos} videos, and say little; ask about more")

    def json(self) -> dict[str, Any]:
        """Return the table for JSON."""
        return {"questions": self.questions, "videos": self.videos, "hit": row_json(self.rows)}


def hit_table(
    asked: AskedQuestions,
    ways: Mapping[str, Sequence[Floats]],
    own: tuple[str, Sequence[Floats]] | None,
    as_it_is: tuple[str, Sequence[Floats]],
    seed: int,
) -> HitTable:
    """Pick and score by each way of reading the questions, and pair the differences.

    Args:
        asked: The N questions, from `asked_of_index`; one at least.
        ways: By way of the student, (w, D) unit vectors of each question's text.
        own: The teacher reading them in its own language, where that is known: name and vectors.
        as_it_is: The teacher reading what the student reads.
        seed: Seed of the bootstrap over videos.

    Raises:
        CueframeError: A vector file cannot be used.
    """
    timed, videos = asked.timed, [one.video for one in asked.timed]
    students = {f"student, {way}": vectors for way, vectors in ways.items()}
    read = students | dict([own] if own else []) | dict([as_it_is])
    tables = {name: _hits(asked, vectors) for name, vectors in read.items()}
    figure = FIGURES["hit"].value
    tables[_UNIFORM] = np.array(
        [
            figure(one, picked_spans(one, times_s), K)
            for one, times_s in zip(timed, uniform_picks(timed, K), strict=True)
        ]
    )
    other = own[0] if own else as_it_is[0]
    first, *more = students
    pairs = [(name, other) for name in students] + [(first, _UNIFORM)]
    for name, than in pairs + [(way, first) for way in more]:
        tables[f"{name} − {than}"] = tables[name] - tables[than]
    found = estimates(np.stack([*tables.values()], axis=1), videos, seed)
    rows = dict(zip(tables, found, strict=True))
    leads = {way: rows[f"student, {way} − {other}"] for way in ways} if own else {}
    return HitTable(rows, leads, len(timed), len(set(videos)))


def _hits(asked: AskedQuestions, vectors: Sequence[Floats]) -> Floats:
    """Return (N,) 1 where a pick hits, else 0."""
    read = asked._replace(texts={_READING: [[[own] for own in vectors]]})
    found = np.full(len(asked.timed), np.nan)
    for n, picked in picks_of_rules(read, {_RULE: Candidate(Rule(_RULE), _CAPTION)}, K):
        one = asked.timed[n]
        found[n] = FIGURES["hit"].value(one, picked_spans(one, picked[_RULE]), K)
    return found
