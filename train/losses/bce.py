"""Losses 1 and 2: binary cross-entropy of a question with its own frames.

Shapes: B questions of this process's pool, N negatives of a question.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from train.losses.pool import Pool, cosines


class PositiveNegativeBCE:
    """Loss 1: labels 1 for true frames and 0 for mined negatives; learned bias, mean over pairs.

    Computed on logits: `sigmoid(100·cos)` in float32 is exactly 1, without gradient, from cosine
    0.167 up. This is SigLIP's loss (Zhai et al. 2023) within a question.
    """

    counts = "pairs"
    needs_pool = False
    bias = "learned"

    def sum(
        self, pool: Pool, scale: Tensor, bias: Tensor, _rank: int, _world_size: int
    ) -> tuple[Tensor, Tensor]:
        """See `train.losses.base.Loss.sum`."""
        logits = scale * cosines(pool) + bias  # (B, 1+N)
        labels = torch.zeros_like(logits)  # (B, 1+N)
        labels[:, 0] = 1
        weight = pool.pairs().to(logits.dtype)  # (B, 1+N)
        loss = F.binary_cross_entropy_with_logits(logits, labels, weight, reduction="sum")
        return loss, _no_masked_pairs(scale)

    def initial_bias(self, cosines: Tensor, valid: Tensor, scale: float) -> float:
        """Return the bias at which the mean probability is the fraction of positives, by bisection.

        That fraction is clamped to [0.01, 0.99]. At scale 100 and cosines of 0.15 to 0.30 the bias
        is about −25; without it the logits saturate.
        """
        logits = scale * cosines.detach().cpu().double()  # (P, 1+N)
        pairs = logits[valid.cpu()]  # (pairs,)
        share = min(max(float(valid[:, 0].sum() / valid.sum()), 0.01), 0.99)
        odds = math.log(share / (1 - share))
        low, high = odds - float(pairs.max()), odds - float(pairs.min())  # all below, above share
        for _ in range(64):
            middle = (low + high) / 2
            if float(torch.sigmoid(pairs + middle).mean()) < share:
                low = middle
            else:
                high = middle
        return (low + high) / 2


class PositiveBCE:
    """Loss 2: true frames alone, mean over questions.

    Without negatives, a learned bias alone would minimise the loss, so the bias stays fixed.
    """

    counts = "questions"
    needs_pool = False
    bias = "fixed"

    def sum(
        self, pool: Pool, scale: Tensor, bias: Tensor, _rank: int, _world_size: int
    ) -> tuple[Tensor, Tensor]:
        """See `train.losses.base.Loss.sum`."""
        loss = -(F.logsigmoid(scale * cosines(pool)[:, 0] + bias) * pool.valid[:, 0]).sum()
        return loss, _no_masked_pairs(scale)

    def initial_bias(self, cosines: Tensor, valid: Tensor, scale: float) -> float:
        """Return the bias at which the mean positive has probability one half."""
        logits = scale * cosines.detach().cpu().double()  # (P, 1+N)
        return -float(logits[:, 0][valid[:, 0].cpu()].mean())


def _no_masked_pairs(scale: Tensor) -> Tensor:
    return scale.new_zeros((), dtype=torch.int64)
