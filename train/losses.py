"""The three losses, as pure functions of unit vectors, scale, bias and masks.

Shapes: B questions of this process's pool, N negatives of a question, D width,
W processes (world size), P = W·B questions of all processes.

A loss here is the *sum* over this process's share. The caller divides by the *count* over all
processes, so that unequal numbers of negatives, padded questions and an incomplete last step are
exact; under DistributedDataParallel, which averages gradients, it also multiplies by W:

    loss = sum * W / count        count: pairs for loss 1, questions for losses 2 and 3

All arithmetic is in float32 (float64 where the vectors are), whatever autocast says.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor

LossSetting = Literal[1, 2, 3]


@dataclass(frozen=True, slots=True)
class Pool:
    """Questions that are compared with each other, with their frames, as unit vectors.

    Column 0 of the frames is the true frame. A missing negative is False in `valid`; so are all
    frames of a padded question, and `valid[:, 0]` tells which questions count. Vectors under the
    mask may have any finite value.
    """

    text: Tensor  # (B, D)
    images: Tensor  # (B, 1+N, D)
    valid: Tensor  # (B, 1+N) bool
    video_ids: Tensor  # (B,) int64, equal for questions on one video, on all processes
    text_ids: Tensor  # (B,) int64, equal for equal texts, on all processes

    def pairs(self) -> Tensor:
        """Which pairs of a question and its own frame count, (B, 1+N) bool."""
        return self.valid & self.valid[:, :1]


def cosines(pool: Pool) -> Tensor:
    """Cosine of each question with its own frames, (B, 1+N), in float32 or float64."""
    text, images = _full(pool.text), _full(pool.images)  # (B, D), (B, 1+N, D)
    return (text[:, None] * images).sum(-1)  # (B, 1+N); no matrix product, so no autocast


def loss_sum(
    setting: LossSetting,
    pool: Pool,
    scale: Tensor,
    bias: Tensor,
    rank: int = 0,
    world_size: int = 1,
) -> tuple[Tensor, Tensor]:
    """The chosen loss of this process's pool, a sum (), and how many pairs loss 3 masked, ().

    With more than one process loss 3 gathers: all must call it at the same point.
    """
    if setting == 1:
        return bce_sum(pool, scale, bias), scale.new_zeros((), dtype=torch.int64)
    if setting == 2:
        return bce_positive_sum(pool, scale, bias), scale.new_zeros((), dtype=torch.int64)
    everyone = gather_pool(pool, world_size)
    offset = rank * (len(everyone.text) // world_size)
    kept = kept_pairs(pool, everyone, offset)  # (B, P, 1+N)
    loss = contrastive_sum(pool, everyone, kept, scale, offset)
    return loss, masked_pairs(pool, everyone, kept)


def bce_sum(pool: Pool, scale: Tensor, bias: Tensor) -> Tensor:
    """Loss 1: binary cross-entropy of scale·cos + bias, true frames 1 and negatives 0; a sum.

    Taken on logits: `sigmoid(100·cos)` in float32 is exactly 1, without gradient, from cosine
    0.167 up. This is SigLIP's loss (Zhai et al. 2023) within a question.
    """
    logits = scale * cosines(pool) + bias  # (B, 1+N)
    labels = torch.zeros_like(logits)  # (B, 1+N)
    labels[:, 0] = 1
    weight = pool.pairs().to(logits.dtype)  # (B, 1+N)
    return F.binary_cross_entropy_with_logits(logits, labels, weight, reduction="sum")


def bce_positive_sum(pool: Pool, scale: Tensor, bias: Tensor) -> Tensor:
    """Loss 2: binary cross-entropy of scale·cos + bias over true frames alone; a sum.

    With nothing to push away, a learned bias would be the whole answer: keep it fixed.
    """
    return -(F.logsigmoid(scale * cosines(pool)[:, 0] + bias) * pool.valid[:, 0]).sum()


def contrastive_sum(
    own: Pool, everyone: Pool, kept: Tensor, scale: Tensor, offset: int = 0
) -> Tensor:
    """Loss 3: CLIP's symmetric contrastive loss (Radford et al. 2021), own rows × all columns.

    Text to image: each question against every kept frame, true or mined, of all questions.
    Image to text: each true frame against the questions; mined negatives have no text that is
    theirs and make no row. Masks are symmetric there, so `kept[:, :, 0]` serves both directions.
    A question alone in its pool without negatives adds 0.

    `everyone` holds all processes' questions, with the own ones from row `offset`; in one process
    it is `own`. `kept` (B, P, 1+N) comes from `kept_pairs`.
    """
    own_text, own_true = _full(own.text), _full(own.images[:, 0])  # (B, D), (B, D)
    texts, images = _full(everyone.text), _full(everyone.images)  # (P, D), (P, 1+N, D)
    frames = images.shape[1]
    with torch.autocast(own_text.device.type, enabled=False):
        to_image = scale * own_text @ images.flatten(0, 1).T  # (B, P·(1+N))
        to_text = scale * own_true @ texts.T  # (B, P)
    to_image = to_image.masked_fill(~kept.flatten(1), -math.inf)  # (B, P·(1+N))
    to_text = to_text.masked_fill(~kept[:, :, 0], -math.inf)  # (B, P)
    me = offset + torch.arange(len(own_text), device=own_text.device)  # (B,)
    losses = F.cross_entropy(to_image, me * frames, reduction="none")  # (B,)
    losses = losses + F.cross_entropy(to_text, me, reduction="none")  # (B,)
    return (losses * own.valid[:, 0]).sum() / 2


def kept_pairs(own: Pool, everyone: Pool, offset: int = 0) -> Tensor:
    """Which frames each own question is compared with in loss 3, (B, P, 1+N) bool.

    Left out, because they may well answer the question: all frames of *other* questions on the
    same video, and the true frames of other questions with an equal text. What stays: a
    question's own frames, and the negatives mined for an equal text on another video, which were
    mined as frames that do not show what that text asks. Missing frames are left out; a padded
    question keeps its own column 0, so that its row, which weighs nothing, stays finite.
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
    """How many pairs of an own question and a frame loss 3 leaves out as likely answers, ()."""
    rows = own.valid[:, 0, None, None]  # (B, 1, 1)
    return (rows & everyone.pairs() & ~kept).sum()


def initial_bias(setting: LossSetting, cosines: Tensor, valid: Tensor, scale: float) -> float:
    """The logit bias before the first step, from the cosines of all processes.

    Loss 1: where the mean predicted probability equals the share of positives, clamped to
    [0.01, 0.99], by bisection. Loss 2: where the mean positive has probability one half. At scale
    100 and cosines of 0.15 to 0.30 about −25; without it the logits saturate. Loss 3 has none: 0.

    `cosines` (P, 1+N) and `valid` (P, 1+N) bool, as `cosines(pool)` and `pool.pairs()` give.
    """
    if setting == 3:
        return 0.0
    logits = scale * cosines.detach().cpu().double()  # (P, 1+N)
    if setting == 2:
        return -float(logits[:, 0][valid[:, 0].cpu()].mean())
    pairs = logits[valid.cpu()]  # (pairs,)
    share = min(max(float(valid[:, 0].sum() / valid.sum()), 0.01), 0.99)
    odds = math.log(share / (1 - share))
    low, high = odds - float(pairs.max()), odds - float(pairs.min())  # all below, all above share
    for _ in range(64):
        middle = (low + high) / 2
        if float(torch.sigmoid(pairs + middle).mean()) < share:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def gather_pool(pool: Pool, world_size: int) -> Pool:
    """All processes' pools as one, with gradient: process r's questions begin at row r·(P/W).

    Pools of fewer questions or negatives are padded, masked, to the largest. In one process, the
    pool itself; in more, every process must call this at the same point, for backward too.
    """
    if world_size == 1:
        return pool
    sizes = gather(torch.tensor([pool.valid.shape], device=pool.valid.device), world_size)  # (W, 2)
    questions, frames = sizes.amax(0).tolist()
    pool = pad(pool, questions, frames)
    keys = torch.column_stack([pool.video_ids, pool.text_ids, pool.valid.long()])  # (B, 2+1+N)
    keys = gather(keys, world_size)  # (P, 2+1+N)
    return Pool(
        text=gather(_full(pool.text), world_size),  # (P, D)
        images=gather(_full(pool.images), world_size),  # (P, 1+N, D)
        valid=keys[:, 2:].bool(),
        video_ids=keys[:, 0],
        text_ids=keys[:, 1],
    )


def join_pools(pools: list[Pool]) -> Pool:
    """One process's pools as one, with 1+N padded, masked, to the largest."""
    frames = max(pool.valid.shape[1] for pool in pools)
    pools = [pad(pool, len(pool.text), frames) for pool in pools]
    return Pool(
        text=torch.cat([pool.text for pool in pools]),
        images=torch.cat([pool.images for pool in pools]),
        valid=torch.cat([pool.valid for pool in pools]),
        video_ids=torch.cat([pool.video_ids for pool in pools]),
        text_ids=torch.cat([pool.text_ids for pool in pools]),
    )


def pad(pool: Pool, questions: int, frames: int) -> Pool:
    """The pool with masked questions and frames added, up to (questions, frames)."""
    rows, columns = questions - pool.valid.shape[0], frames - pool.valid.shape[1]
    return Pool(
        text=F.pad(pool.text, (0, 0, 0, rows)),
        images=F.pad(pool.images, (0, 0, 0, columns, 0, rows)),
        valid=F.pad(pool.valid, (0, columns, 0, rows)),
        video_ids=F.pad(pool.video_ids, (0, rows)),
        text_ids=F.pad(pool.text_ids, (0, rows)),
    )


def gather(x: Tensor, world_size: int) -> Tensor:
    """Concatenate `x` (n, …) of all processes to (W·n, …); the gradient sums over processes.

    Each process's loss has the gathered columns in it, so each owes every other a gradient:
    a gather that drops it is wrong by as much as the gradient itself.
    """
    if world_size == 1:
        return x
    gathered: Tensor = _Gather.apply(x, world_size)  # type: ignore[no-untyped-call]  # torch's own
    return gathered


class _Gather(torch.autograd.Function):
    """Our own, because `torch.distributed.nn.functional.all_gather` warns that it is deprecated."""

    @staticmethod
    def forward(_ctx: Any, x: Tensor, world_size: int) -> Tensor:
        parts = [torch.empty_like(x) for _ in range(world_size)]
        dist.all_gather(parts, x.contiguous())
        return torch.cat(parts)

    @staticmethod
    def backward(_ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        total = gradients[0].clone(memory_format=torch.contiguous_format)  # (W·n, …)
        dist.all_reduce(total)
        return total.chunk(dist.get_world_size())[dist.get_rank()], None


def _full(x: Tensor) -> Tensor:
    return x.to(torch.promote_types(x.dtype, torch.float32))
