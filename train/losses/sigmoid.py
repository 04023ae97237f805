"""Loss 4: SigLIP's sigmoid loss over the pool of all processes.

Shapes: B questions of this process's pool, P questions and A columns of all processes.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from train.losses.initial_bias import bias_of_share
from train.losses.masks import kept_frames, likely_answers, masked_pairs, own_part
from train.losses.pool import Columns, Pool, gather_pool, in_full


class Sigmoid:
    """Each question with every frame of the whole step, as a pair that belongs together or not.

    SigLIP's loss (Zhai et al. 2023): binary cross-entropy of scaled cosines and a bias, summed over
    all frames and averaged over questions. The frames left out are those of loss 3. Each pair is
    one term, so there is no second direction.
    """

    needs_pool = True
    bias = "own"

    def sum(
        self, pool: Pool, scale: Tensor, bias: Tensor, rank: int, world_size: int
    ) -> tuple[Tensor, Tensor]:
        """See `train.losses.base.Loss.sum`."""
        everyone = gather_pool(pool, world_size)
        first_row, true = own_part(pool, everyone, rank, world_size)
        likely = likely_answers(pool, everyone, first_row)  # (B, A)
        kept = kept_frames(pool, everyone, likely, first_row) & pool.valid[:, None]  # (B, A)
        logits = pair_logits(pool, everyone, scale) + bias  # (B, A)
        loss = F.binary_cross_entropy_with_logits(
            logits, _labels(pool, everyone, true).to(logits.dtype), kept, reduction="sum"
        )
        return loss, masked_pairs(pool, everyone, likely)

    def initial_bias(self, pool: Pool, scale: float) -> float:
        """Return the bias at which the mean probability is the share of true pairs, at most 0.99.

        For a model that has no bias of its own.
        """
        kept = kept_frames(pool, pool, likely_answers(pool, pool)) & pool.valid[:, None]  # (P, A)
        factor = torch.tensor(scale, dtype=torch.float64, device=pool.valid.device)
        logits = pair_logits(pool, pool, factor)  # (P, A)
        share = min(float(pool.valid.sum() / kept.sum()), 0.99)
        return bias_of_share(logits[kept], torch.ones_like(logits[kept]), share)


def pair_logits(own: Pool, everyone: Pool, scale: Tensor) -> Tensor:
    """Return the scaled cosines of own questions with all frames, of each its best tile, (B, A)."""
    text, images = in_full(own.text), in_full(everyone.images)  # (B, D), (A, T, D)
    with torch.autocast(text.device.type, enabled=False):
        logits = scale * text @ images.flatten(0, 1).T  # (B, A·T)
    return logits.view(len(text), len(images), -1).max(-1).values


def _labels(own: Columns, everyone: Columns, true: Tensor) -> Tensor:
    """Return which pairs belong together, (B, A) bool: questions and their own true frames."""
    columns = torch.arange(len(everyone.owners), device=true.device)
    return (columns == true[:, None]) & own.valid[:, None]
