"""Frame selectors from papers, held to the promises of `infer.selection.strategies`. NumPy only.

Each takes the constants of its paper or of the code published with it. Its docstring names the
source and the differences: published code for long videos returns too few frames or the same frame
twice when it is asked for four, and divides by zero where all scores are equal.

Legend: Q questions of one video, F its frames, T tiles of a frame, D width, K picks. Scores are
finite.
"""

import numpy as np
import numpy.typing as npt

from index.arrays import Bools, Floats, Integers

MMR_RELEVANCE = 0.5
"""λ of `pick_mmr`: the weight of relevance; similarity has the rest."""
AKS_PEAK = 0.8
"""Lead of a stretch's best scores over its mean above which `pick_aks` splits it no further."""
AKS_DEPTH = 5
"""Maximum number of times that `pick_aks` halves the timeline."""
BOLT_GRID_FROM = 4
"""K from which `pick_bolt` samples on the grid of its published code."""


def pick_mmr(scores: Floats, vectors: Floats, k: int) -> Integers:
    """Take frames that fit the question and look unlike those already taken.

    Maximal marginal relevance (Carbonell & Goldstein, SIGIR 1998): each time the frame with the
    greatest λ·relevance − (1−λ)·(greatest similarity to a frame taken), the earlier on a tie.

    Differs: the paper's two similarities are on one scale. Cosines of texts and frames are not on
    that of frames and frames, and the spread of either depends on the encoder, so λ would mean
    little. Here both are stretched to 0 … 1: relevance over the question's scores, similarity over
    the cosines of one taken frame with all frames. Where all are equal they are 0, and the other
    term decides. Frames of several tiles are as alike as the mean of the cosines of the tiles at
    one place. scores (Q, F), vectors (F, T, D) -> rows (Q, min(K, F)).
    """
    relevance = stretched(scores)  # (Q, F)
    frames, tiles, width = vectors.shape
    exact = vectors.reshape(frames, tiles * width).astype(np.float64, copy=False)
    likeness = np.zeros(scores.shape, np.float64)  # (Q, F) the greatest to a frame taken
    taken = np.zeros(scores.shape, np.bool_)
    questions = np.arange(len(scores))
    rows = np.empty((len(scores), min(k, scores.shape[1])), np.int64)
    for place in range(rows.shape[1]):
        worth = MMR_RELEVANCE * relevance - (1 - MMR_RELEVANCE) * likeness
        rows[:, place] = np.where(taken, -np.inf, worth).argmax(axis=1)  # the first of equals
        taken[questions, rows[:, place]] = True
        # Each frame that some question took, once; rounded for the reason that
        # `infer.selection.frame_scores.cosines` gives.
        new, of_question = np.unique(rows[:, place], return_inverse=True)
        cosines = (exact[new] @ exact.T / tiles).astype(np.float32)  # (frames taken, F)
        np.maximum(likeness, stretched(cosines)[of_question], out=likeness)
    return np.sort(rows, axis=1)


def pick_aks(scores: Floats, k: int) -> Integers:
    """Take the best frames where they stand out, and halve the timeline where they do not.

    Adaptive Keyframe Sampling (Tang et al., CVPR 2025, arXiv 2502.21271), with the constants of its
    code. A stretch of rows is to give m frames, at first all rows K. Where the mean of its m best
    scores is more than 0.8 above the mean of all, scores being stretched to 0 … 1, its m best are
    taken, the earlier on a tie; else its halves are to give m/2 each, to a depth of 5.

    Differs: a stretch that is to give one frame gives its best. The published code halves it again
    and rounds its number down to zero, so that it returns nothing for four frames where none stand
    out. An odd m gives the later half one more, as an odd number of rows does. A stretch is
    assessed by its m best, not at every depth by its K best. scores (Q, F) -> rows (Q, min(K, F)).
    """
    relevance = stretched(scores)  # (Q, F)
    questions, frames = scores.shape
    rows = np.empty((questions, min(k, frames)), np.int64)
    # The halves are the same for all questions, which differ only in depth.
    # (depth, first row and the row after the last, places in `rows`, the questions that go here)
    stretches = [(0, 0, frames, 0, rows.shape[1], np.arange(questions))]
    while stretches:
        depth, start, end, place, last, here = stretches.pop()
        share = last - place
        inside = relevance[here, start:end]
        best = np.argsort(-inside, axis=1, kind="stable")[:, :share]  # the earlier of equals first
        peak = np.take_along_axis(inside, best, axis=1).mean(axis=1) - inside.mean(axis=1)
        leaf = (peak > AKS_PEAK) | (share == 1) | (depth == AKS_DEPTH)
        rows[here[leaf], place:last] = start + best[leaf]
        if not leaf.all():
            middle, half = start + (end - start) // 2, place + share // 2
            stretches.append((depth + 1, start, middle, place, half, here[~leaf]))
            stretches.append((depth + 1, middle, end, half, last, here[~leaf]))
    return np.sort(rows, axis=1)


def pick_bolt(scores: Floats, k: int) -> Integers:
    """Take frames at equal steps of the scores' sum, so that they are dense where it grows fast.

    Inverse transform sampling as in BOLT (Liu et al., CVPR 2025, arXiv 2503.21483): scores are
    stretched to 0 … 1 and cubed, the power that its code has for two of three benchmarks; frame i
    is the first at which their running share of the sum reaches u_i. As in its code, the u_i go
    from 1/K to 1−1/K in equal steps.

    Differs: that grid is one and the same frame twice at K = 2, and has no number below 1 at K = 1;
    up to K = 3, and for a question of which it takes a frame twice, u_i = (i+½)/K. Places of frames
    that come twice even so go to the best frames not taken. Equal scores weigh 1 each, not 0/0.
    scores (Q, F) -> rows (Q, min(K, F)).
    """
    relevance = stretched(scores)  # (Q, F)
    weights = relevance * relevance * relevance  # products round alike everywhere, powers may not
    weights[~weights.any(axis=1)] = 1.0
    picks = min(k, scores.shape[1])
    taken = _sampled(weights, (np.arange(picks) + 0.5) / picks)
    if k >= BOLT_GRID_FROM:
        theirs = _sampled(weights, np.linspace(1 / k, 1 - 1 / k, k))
        whole = theirs.sum(axis=1) == k
        taken[whole] = theirs[whole]
    return filled_up(taken, scores, k)


def _sampled(weights: Floats, shares: Floats) -> Bools:
    """Return (Q, F) the frames at which the running sum of weights (Q, F) reaches shares (K,)."""
    reached = np.cumsum(weights / weights.sum(axis=1, keepdims=True), axis=1)
    taken = np.zeros(weights.shape, np.bool_)
    for share in shares.tolist():
        # The last frame at most, if rounding leaves the sum short of the share.
        first = np.minimum((reached < share).sum(axis=1), weights.shape[1] - 1)
        taken[np.arange(len(weights)), first] = True
    return taken


def stretched(scores: Floats) -> npt.NDArray[np.float64]:
    """Scale scores (Q, F) from 0, a question's worst, to 1, its best; equal ones are all 0."""
    exact = scores.astype(np.float64)
    exact -= exact.min(axis=1, keepdims=True)
    span = exact.max(axis=1, keepdims=True)
    span[span == 0] = 1.0
    exact /= span
    return exact


def filled_up(taken: Bools, scores: Floats, k: int, first: Bools | None = None) -> Integers:
    """Add to the taken rows the best others, the earlier on a tie, until there are K.

    taken (Q, F) at most K of each question, scores (Q, F), first (Q, F) others that go before the
    rest -> rows (Q, min(K, F)), ascending.
    """
    # Taken rows first, then by score; the sort is stable, so the earlier of equals.
    keys = (-scores, ~taken) if first is None else (-scores, ~first, ~taken)
    order = np.lexsort(keys, axis=1)
    return np.sort(order[:, :k], axis=1)
