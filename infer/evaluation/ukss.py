"""UKSS of KFS-Bench: how many picks show evidence, and how evenly they cover its scenes.

Li et al., KFS-Bench, WACV 2026, arXiv 2512.14017. With T picks of which n are shown during any
scene, c_i of them during scene i of S, and L_i the sum of the lengths of scene i's segments:

    KFR    n / T: the figure "precision"
    BSR    share of the scenes with c_i ≥ max(1, ⌊n · min(L_i / ΣL, 1 / S)⌋)
    BDS    the greatest cosine of c with a power L^a of the lengths, a = 0, 0.1 … 1; 0 where n = 0
    UKSS   (KFR · BSR · BDS)^⅓

Over questions it is the geometric mean, each question's value being raised to `LEAST_UKSS` where it
is lower. Their annotations give the whole second in which a segment ends; their scorer adds it, and
so must who makes questions of them: here a segment ends where its label says.

Where all segments are moments, lengths say nothing: scenes count alike.
"""

import numpy as np

from index.arrays import Floats, Integers
from index.spans import Spans
from infer.metrics import TimedQuestion, scenes_of_evidence

LEAST_UKSS = 0.01
"""Least value of a question in the geometric mean, which one 0 would make 0."""


def ukss(timed: TimedQuestion, picked: Spans, _k: int) -> float:
    """Compute UKSS of one question's picks, 0 to 1; NaN without scenes."""
    if not timed.question.scenes:
        return float("nan")
    scenes = scenes_of_evidence(timed.question)
    met = scenes.shown_by(picked, timed.tolerance_s)  # (S, P)
    useful = int(met.any(axis=0).sum())
    if not useful:
        return 0.0
    lengths_s = np.add.reduceat(scenes.spans_s[:, 1] - scenes.spans_s[:, 0], scenes.first)
    if not lengths_s.any():
        lengths_s = np.ones(len(lengths_s))
    picks = met.sum(axis=1)
    precision = useful / met.shape[1]
    return float(
        np.cbrt(precision * _recall(picks, lengths_s, useful) * _similarity(picks, lengths_s))
    )


def _recall(picks: Integers, lengths_s: Floats, useful: int) -> float:
    """Return the share of the scenes (S,) that have their due part of the useful picks."""
    shares = np.minimum(lengths_s / lengths_s.sum(), 1 / len(lengths_s))
    return float(np.mean(picks >= np.maximum(1, np.floor(shares * useful))))


def _similarity(picks: Integers, lengths_s: Floats) -> float:
    """Return the greatest cosine of the picks (S,) of each scene with a power of its length."""
    powers = lengths_s ** (np.arange(11)[:, None] / 10)  # (11, S)
    cosines = powers @ picks / (np.linalg.norm(powers, axis=1) * np.linalg.norm(picks))
    return float(cosines.max())
