"""Losses 1 and 2: binary cross-entropy of a question with its own frames.

Shapes: B questions of this process's pool, C columns.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from train.losses.initial_bias import bias_of_share
from train.losses.pool import Pool, cosines


class PositiveNegativeBCE:
    """Loss 1: labels 1 for true frames and 0 for mined negatives; learned bias.

    Mean over the pairs of a question, then over questions: each counts once, however many frames
    its video has. Computed on logits: `sigmoid(100·cos)` in float32 is exactly 1, without
    gradient, from cosine 0.167 up. This is SigLIP's loss (Zhai et al. 2023) within a question.
    """

    needs_pool = False
    bias = "learned"

    def sum(
        self, pool: Pool, scale: Tensor, bias: Tensor, _rank: int, _world_size: int
    ) -> tuple[Tensor, Tensor]:
        """See `train.losses.base.Loss.sum`."""
        logits = scale * cosines(pool) + bias  # (C,)
        labels = pool.is_true.to(logits.dtype)
        weights = pair_weights(pool, logits.dtype)
        loss = F.binary_cross_entropy_with_logits(logits, labels, weights, reduction="sum")
        return loss, (pool.there() & ~pool.pairs()).sum()

    def initial_bias(self, pool: Pool, scale: float) -> float:
        """Return the bias at which the mean probability is the share of positives.

        Both are means over the pairs of a question, then over questions. That share is clamped to
        [0.01, 0.99].
        """
        weights = pair_weights(pool, torch.float64)  # (C,)
        share = min(max(float(weights[pool.is_true].sum() / weights.sum()), 0.01), 0.99)
        pairs = weights > 0
        return bias_of_share(scale * cosines(pool)[pairs], weights[pairs], share)


class PositiveBCE:
    """Loss 2: true frames alone, mean over questions.

    Without negatives, a learned bias alone would minimise the loss, so the bias stays fixed.
    """

    needs_pool = False
    bias = "fixed"

    def sum(
        self, pool: Pool, scale: Tensor, bias: Tensor, _rank: int, _world_size: int
    ) -> tuple[Tensor, Tensor]:
        """See `train.losses.base.Loss.sum`."""
        true = pool.is_true & pool.there()  # (C,)
        loss = -(F.logsigmoid(scale * cosines(pool) + bias) * true).sum()
        return loss, scale.new_zeros((), dtype=torch.int64)

    def initial_bias(self, pool: Pool, scale: float) -> float:
        """Return the bias at which the mean positive has probability one half."""
        true = pool.is_true & pool.there()  # (C,)
        return -float((scale * cosines(pool).detach().double())[true].mean())


def pair_weights(pool: Pool, dtype: torch.dtype) -> Tensor:
    """Return (C,) 1 over the pairs of its question for each pair, 0 for other columns."""
    pairs = pool.pairs()
    counts = pairs.new_zeros(len(pool.valid), dtype=torch.int64)
    counts.index_add_(0, pool.owners.clamp(min=0), pairs.long())
    return pairs.to(dtype) / counts[pool.owners].clamp(min=1)
