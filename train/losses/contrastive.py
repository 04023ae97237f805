"""Loss 3: CLIP's contrastive loss over the pool of all processes.

Shapes: B questions of this process's pool, C its columns, T tiles of a frame, D width, P questions
and A columns of all processes.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from train.losses.masks import kept_frames, kept_texts, likely_answers, masked_pairs, own_part
from train.losses.pool import Pool, gather_pool, in_full


class Contrastive:
    """Each question against the frames of the whole step, and each true frame against the texts.

    CLIP's symmetric contrastive loss (Radford et al. 2021), mean over questions. It compares
    every question with all frames of the pool, so with more than one micro-batch it needs cached
    gradients (train/grad_cache.py), and with more than one process all must call it at the same
    point. It has no bias.
    """

    needs_pool = True
    bias = "none"

    def sum(
        self, pool: Pool, scale: Tensor, _bias: Tensor, rank: int, world_size: int
    ) -> tuple[Tensor, Tensor]:
        """See `train.losses.base.Loss.sum`."""
        everyone = gather_pool(pool, world_size)
        first_row, true = own_part(pool, everyone, rank, world_size)
        likely = likely_answers(pool, everyone, first_row)  # (B, A)
        frames = kept_frames(pool, everyone, likely, first_row)  # (B, A)
        texts = kept_texts(pool, everyone, first_row)  # (B, P)
        loss = contrastive_sum(pool, everyone, frames, texts, scale, first_row, true)
        return loss, masked_pairs(pool, everyone, likely)

    def initial_bias(self, _pool: Pool, _scale: float) -> float:
        """Return 0; this loss has no bias."""
        return 0.0


def contrastive_sum(
    own: Pool,
    everyone: Pool,
    frames: Tensor,
    texts: Tensor,
    scale: Tensor,
    first_row: int,
    true: Tensor,
) -> Tensor:
    """Return the summed loss of own rows × all columns.

    Text to image: each question against every kept frame, true or mined, of all questions.
    Image to text: each true frame against the kept questions; mined negatives have no text of their
    own and form no row. A question alone in its pool without negatives adds 0. In both directions a
    frame is as near to a text as its best tile. The row of a question that does not count has no
    weight.

    Args:
        own: This process's pool.
        everyone: That of all processes; in one process it is `own`.
        frames: (B, A) bool, as `train.losses.masks.kept_frames` gives it.
        texts: (B, P) bool, as `kept_texts` gives it.
        scale: Factor on cosines, 0-d.
        first_row: Row of the first own question in `everyone`.
        true: (B,) columns of the own true frames in `everyone`.
    """
    own_text, own_true = in_full(own.text), in_full(own.images)[own.true_columns()]  # (B, T, D)
    all_texts, images = in_full(everyone.text), in_full(everyone.images)  # (P, D), (A, T, D)
    with torch.autocast(own_text.device.type, enabled=False):
        to_image = scale * own_text @ images.flatten(0, 1).T  # (B, A·T)
        to_text = scale * own_true.flatten(0, 1) @ all_texts.T  # (B·T, P)
    to_image = to_image.view(len(own_text), len(images), -1).max(-1).values  # (B, A)
    to_text = to_text.view(len(own_text), own_true.shape[1], -1).max(1).values  # (B, P)
    rows = torch.arange(len(own_text), device=own_text.device)  # (B,)
    # Rows without weight keep one column, so that they stay finite.
    frames = frames.index_put((rows, true), torch.ones_like(own.valid))
    texts = texts.index_put((rows, first_row + rows), torch.ones_like(own.valid))
    to_image = to_image.masked_fill(~frames, -math.inf)
    to_text = to_text.masked_fill(~texts, -math.inf)
    losses = F.cross_entropy(to_image, true, reduction="none")  # (B,)
    losses = losses + F.cross_entropy(to_text, first_row + rows, reduction="none")  # (B,)
    return (losses * own.valid).sum() / 2
