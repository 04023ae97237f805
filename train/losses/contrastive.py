"""Loss 3: CLIP's contrastive loss over the pool of all processes.

Shapes: B questions of this process's pool, N negatives of a question, T tiles of a frame, D width,
W processes, P = W·B questions of all processes.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from train.losses.pool import Pool, gather_pool, in_full


class Contrastive:
    """Each question against the frames of the whole step, and each true frame against the texts.

    CLIP's symmetric contrastive loss (Radford et al. 2021), mean over questions. It compares
    every question with all frames of the pool, so with more than one micro-batch it needs cached
    gradients (train/grad_cache.py), and with more than one process all must call it at the same
    point. It has no bias.
    """

    counts = "questions"
    needs_pool = True
    bias = "none"

    def sum(
        self, pool: Pool, scale: Tensor, _bias: Tensor, rank: int, world_size: int
    ) -> tuple[Tensor, Tensor]:
        """See `train.losses.base.Loss.sum`."""
        everyone = gather_pool(pool, world_size)
        offset = rank * (len(everyone.text) // world_size)
        kept = kept_pairs(pool, everyone, offset)  # (B, P, 1+N)
        loss = contrastive_sum(pool, everyone, kept, scale, offset)
        return loss, masked_pairs(pool, everyone, kept)

    def initial_bias(self, _cosines: Tensor, _valid: Tensor, _scale: float) -> float:
        """Return 0; this loss has no bias."""
        return 0.0


def contrastive_sum(
    own: Pool, everyone: Pool, kept: Tensor, scale: Tensor, offset: int = 0
) -> Tensor:
    """Return the summed loss of own rows × all columns.

    Text to image: each question against every kept frame, true or mined, of all questions.
    Image to text: each true frame against the questions; mined negatives have no text of their own
    and form no row. Masks are symmetric there, so `kept[:, :, 0]` serves both directions.
    A question alone in its pool without negatives adds 0. In both directions a frame is as near to
    a text as its best tile.

    `everyone` holds all processes' questions, with the own ones from row `offset`; in one process
    it is `own`. `kept` (B, P, 1+N) comes from `kept_pairs`.
    """
    own_text, own_true = in_full(own.text), in_full(own.images[:, 0])  # (B, D), (B, T, D)
    texts, images = in_full(everyone.text), in_full(everyone.images)  # (P, D), (P, 1+N, T, D)
    frames, tiles = images.shape[1:3]
    with torch.autocast(own_text.device.type, enabled=False):
        to_image = scale * own_text @ images.flatten(0, 2).T  # (B, P·(1+N)·T)
        to_text = scale * own_true.flatten(0, 1) @ texts.T  # (B·T, P)
    to_image = to_image.view(len(own_text), -1, tiles).max(-1).values  # (B, P·(1+N))
    to_text = to_text.view(len(own_text), own_true.shape[1], -1).max(1).values  # (B, P)
    to_image = to_image.masked_fill(~kept.flatten(1), -math.inf)  # (B, P·(1+N))
    to_text = to_text.masked_fill(~kept[:, :, 0], -math.inf)  # (B, P)
    me = offset + torch.arange(len(own_text), device=own_text.device)  # (B,)
    losses = F.cross_entropy(to_image, me * frames, reduction="none")  # (B,)
    losses = losses + F.cross_entropy(to_text, me, reduction="none")  # (B,)
    return (losses * own.valid[:, 0]).sum() / 2


def kept_pairs(own: Pool, everyone: Pool, offset: int = 0) -> Tensor:
    """Return the mask of frames with which each own question is compared, (B, P, 1+N) bool.

    Left out, because they may well answer the question: all frames of *other* questions on the
    same video, and the true frames of other questions with an equal text. What stays: a
    question's own frames, and the negatives mined for an equal text on another video, which were
    mined as frames that do not show what that text asks. Missing frames are left out; a padded
    question keeps its own column 0, so that its row, which has no weight, stays finite.
    """
    rows = torch.arange(len(own.text), device=own.valid.device)  # (B,)
    other = torch.ones(
        len(own.text), len(everyone.text), dtype=torch.bool, device=own.valid.device
    )  # (B, P)
    other[rows, offset + rows] = False
    same_video = own.video_ids[:, None] == everyone.video_ids  # (B, P)
    equal_text = own.text_ids[:, None] == everyone.text_ids  # (B, P)
    kept = everyone.pairs() & ~(other & same_video)[:, :, None]  # (B, P, 1+N)
    kept[:, :, 0] &= ~(other & equal_text)
    kept[rows, offset + rows, 0] = True
    return kept


def masked_pairs(own: Pool, everyone: Pool, kept: Tensor) -> Tensor:
    """Count the pairs of an own question and a frame that are left out as likely answers, ()."""
    rows = own.valid[:, 0, None, None]  # (B, 1, 1)
    return (rows & everyone.pairs() & ~kept).sum()
