"""Picks by heads that have seen no label of the video at hand, and what labels from them are worth.

Head k of K + 1 has learned from all labelled questions but those on the videos of fold k; the last
one from all.

Legend: n labelled questions, u unlabelled ones, K folds, D width of a vector.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from index.arrays import Floats, Integers
from index.errors import CueframeError
from infer.evaluation.baselines import FIGURES
from infer.evaluation.rule_picks import AskedQuestions
from infer.metrics import picked_spans
from infer.queries import group_by_video
from infer.selection.frame_scores import read_stored_video
from infer.selection.strategies import ScoredVideo
from train.distilling.hits import HitTable, hit_table
from train.distilling.ridge import Head
from train.pseudo_labels.heads import FEWEST, Lead, fit, lead, least_margin, pointed, target
from train.split import shuffled

WITH, WITHOUT = "labels and pseudo-labels", "labels alone"


class Read(NamedTuple):
    """Questions that can be asked of the index, as the index's model reads them."""

    asked: AskedQuestions
    texts: Floats
    """(n, D) unit vectors."""

    @property
    def videos(self) -> list[str]:
        """(n,) content hashes of their videos."""
        return [one.content_hash for one in self.asked.queries]


class Pick(NamedTuple):
    """The frame that a head finds best for a question."""

    lead: Lead
    start_s: float
    end_s: float
    vector: Floats
    """(D,) its best tile."""


class Margin(NamedTuple):
    """The least lead of picks that are labels."""

    least: float
    precision: float
    """Share of the picks with such a lead that show the evidence, on held-out labelled videos."""
    share: float
    """Share of the labelled questions that have such a lead."""


def folds_of(videos: Sequence[str], folds: int, seed: int) -> Integers:
    """Return (n,) the fold of each question's video, by a digest of seed and content.

    Raises:
        CueframeError: There are fewer videos than folds.
    """
    distinct = shuffled(videos, seed)
    if len(distinct) < folds:
        raise CueframeError(
            f"the labelled questions are about {len(distinct)} videos, fewer than --folds {folds}; "
            "label more videos, or lower --folds"
        )
    of = {content: n % folds for n, content in enumerate(distinct)}
    return np.array([of[content] for content in videos], np.int64)


def targets_of(read: Read) -> Floats:
    """Return (n, D) the vectors to which the texts of labelled questions should point."""
    found = np.empty(read.texts.shape, np.float64)
    for numbers, video in _videos(read.asked):
        for n in numbers:
            found[n] = target(read.asked.queries[n].question, read.texts[n], video)
    return found


def heads_of(texts: Floats, targets: Floats, folds: Integers, strength: float) -> list[Head]:
    """Fit the K + 1 heads."""
    parts = [folds != fold for fold in range(folds.max() + 1)] + [np.ones(len(folds), bool)]
    return [fit(texts[some], targets[some], strength) for some in parts]


def picks_of(read: Read, heads: Sequence[Head], guard_s: float) -> list[list[Pick]]:
    """Return the pick of each head, for each question."""
    moved = [pointed(head, read.texts) for head in heads]
    found: list[list[Pick]] = [[] for _ in read.texts]
    for numbers, video in _videos(read.asked):
        for n in numbers:
            found[n] = [_pick(texts[n], video, guard_s) for texts in moved]
    return found


def _pick(text: Floats, video: ScoredVideo, guard_s: float) -> Pick:
    own = lead(text, video, guard_s)
    tiles = video.vectors[own.row]
    vector = tiles[int(np.argmax(tiles @ text))].astype(np.float32)
    return Pick(own, float(video.time_s[own.row]), float(video.end_s[own.row]), vector)


def margin_of(
    read: Read, picks: Sequence[Sequence[Pick]], folds: Integers, precision: float
) -> Margin:
    """Choose the margin on labelled questions, each picked for by the head that held it out.

    Raises:
        CueframeError: No margin reaches the precision.
    """
    own = [picks[n][fold] for n, fold in enumerate(folds)]
    right = [
        bool(FIGURES["hit"].value(one, picked_spans(one, np.array([pick.start_s])), 1))
        for one, pick in zip(read.asked.timed, own, strict=True)
    ]
    leads = [one.lead.by for one in own]
    least = least_margin(leads, right, precision)
    if least is None:
        raise CueframeError(
            f"no margin has a precision of {precision:g} for {FEWEST} or more of {len(right)} "
            f"labelled questions on held-out videos, where {np.mean(right):.1%} of all picks show "
            "the evidence; lower --precision, or label more questions"
        )
    beyond = [one for one, by in zip(right, leads, strict=True) if by >= least]
    return Margin(least, float(np.mean(beyond)), len(beyond) / len(right))


def validated(
    taught: Read,
    targets: Floats,
    untaught: Read,
    picks: Sequence[Sequence[Pick]],
    folds: Integers,
    heads: Sequence[Head],
    margin: float,
    strength: float,
    seed: int,
) -> HitTable:
    """Compare heads with and without pseudo-labels on the labelled questions of held-out videos.

    For each fold the labels alone make a head, that head makes pseudo-labels on the videos outside
    of the fold, and a second head learns from both.
    """
    fold_of = dict(zip(taught.videos, folds.tolist(), strict=True))
    alone, both = np.empty_like(taught.texts), np.empty_like(taught.texts)
    for fold in range(int(folds.max()) + 1):
        held_out, rest = folds == fold, folds != fold
        more = [
            n
            for n, content in enumerate(untaught.videos)
            if fold_of.get(content) != fold and picks[n][fold].lead.by >= margin
        ]
        texts = np.concatenate([taught.texts[rest], untaught.texts[more]])
        vectors = np.array([picks[n][fold].vector for n in more]).reshape(-1, texts.shape[1])
        head = fit(texts, np.concatenate([targets[rest], vectors]), strength)
        alone[held_out] = pointed(heads[fold], taught.texts[held_out])
        both[held_out] = pointed(head, taught.texts[held_out])
    return hit_table(
        taught.asked,
        {WITH: [own[None] for own in both]},
        (WITHOUT, [own[None] for own in alone]),
        ("the index's model", [own[None] for own in taught.texts]),
        seed,
    )


def _videos(asked: AskedQuestions) -> Iterator[tuple[list[int], ScoredVideo]]:
    """Read the questions' videos one after the other."""
    (own,) = asked.indexes
    return (
        (numbers, read_stored_video(own.folder, own.profile, content))
        for content, numbers in group_by_video(asked.queries).items()
    )
