"""Frames that fit a question and differ from each other: a determinantal point process.

Legend: Q questions of one video, F its frames, T tiles of a frame, D width, K picks. Scores are
finite.
"""

import numpy as np
import numpy.typing as npt

from index.arrays import Floats, Integers
from infer.selection.published import stretched

RELEVANCE = 7.0
"""Weight of relevance against difference; MDP3 has 2/λ = 10. On the choosing videos of
`make bench-picks`, 7 hit 1 to 2 points more than 10 with each of four encoders."""
GAUSSIANS = 5
"""Number of Gaussians of which MDP3's kernel is the mean: of variance α = 2, 1, ½, ¼ and ⅛."""
_LEAST = 1e-9
"""Residual variance of a frame that equals one taken: rounding leaves about as much."""
_AT_ONCE = 2**21
"""Questions × frames × picks whose factors are held at a time."""


def pick_dpp(scores: Floats, vectors: Floats, k: int) -> Integers:
    """Take the frames whose kernel has the greatest determinant, found greedily.

    MDP3 (Sun et al., ICCV 2025, arXiv 2501.02885) weights a determinantal point process by
    relevance: the frames S with the greatest (2/λ)·Σ log r + log det of the frames' kernel, a mean
    of Gaussians of five bandwidths. Each time the frame that adds most is taken, the earlier on a
    tie; what it adds to the determinant is its residual variance given those taken (Chen et al.,
    NeurIPS 2018, arXiv 1709.05135).

    Differs: log r, of the kernel of text and frame, is the question's scores stretched to 0 … 1,
    as an encoder's cosines have their own spread (see `infer.selection.published.pick_mmr`). The
    dynamic programming over stretches of a video is left out: its code has it switched off, with
    one stretch for the whole. Frames of several tiles are as alike as the mean of the cosines of
    the tiles at one place. scores (Q, F), vectors (F, T, D) -> rows (Q, min(K, F)).
    """
    frames, tiles, width = vectors.shape
    exact = vectors.reshape(frames, tiles * width).astype(np.float64, copy=False)
    picks = min(k, frames)
    some = max(1, _AT_ONCE // max(1, frames * picks))
    parts = [
        _greedy(scores[start : start + some], exact, tiles, picks)
        for start in range(0, len(scores), some)
    ]
    return np.sort(np.concatenate(parts or [np.empty((0, picks), np.int64)]), axis=1)


def _greedy(scores: Floats, exact: Floats, tiles: int, picks: int) -> npt.NDArray[np.int64]:
    """Return the rows (Q, picks) of `pick_dpp` in the order in which they are taken."""
    relevance = RELEVANCE * stretched(scores)  # (Q, F)
    residual = np.ones(scores.shape)
    taken = np.zeros(scores.shape, np.bool_)
    factors = np.empty((picks, *scores.shape))  # rows of the kernel's Cholesky factor
    questions = np.arange(len(scores))
    rows = np.empty((len(scores), picks), np.int64)
    for place in range(picks):
        worth = (relevance + np.log(np.maximum(residual, _LEAST))).astype(np.float32)
        rows[:, place] = chosen = np.where(taken, -np.inf, worth).argmax(axis=1)
        taken[questions, chosen] = True
        # Each frame that some question took, once; rounded for the reason that
        # `infer.selection.frame_scores.cosines` gives.
        new, of_question = np.unique(chosen, return_inverse=True)
        cosines = (exact[new] @ exact.T / tiles).astype(np.float32)  # (frames taken, F)
        before = factors[:place]
        shared = (before * before[:, questions, chosen][:, :, None]).sum(axis=0)  # (Q, F)
        spread = np.sqrt(np.maximum(residual[questions, chosen], _LEAST))
        factor = (_kernel(cosines)[of_question] - shared) / spread[:, None]
        # No frame shares more than it has left (Cauchy–Schwarz); where those taken leave hardly
        # anything, rounding would say otherwise, and grow with each further pick.
        most = np.sqrt(np.maximum(residual, 0.0))
        factors[place] = np.clip(factor, -most, most)
        residual -= factors[place] ** 2
    return rows


def _kernel(cosines: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Return the mean of the Gaussians of frames' distances, |a − b|² = 2 − 2·cosine."""
    one = np.exp((np.minimum(cosines, 1.0).astype(np.float64) - 1.0) / 2)  # α = 2
    total = one.copy()
    for _ in range(GAUSSIANS - 1):
        one *= one  # half the variance
        total += one
    return total / GAUSSIANS
