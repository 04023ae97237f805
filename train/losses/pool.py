"""The pool of a step: questions that are compared with each other, on one process or all.

Shapes: B questions of this process's pool, N negatives of a question, T tiles of a frame, D width,
W processes (world size), P = W·B questions of all processes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Pool:
    """Questions that are compared with each other, with their frames, as unit vectors.

    A frame has T tiles, and its cosine with a text is that of the best one. Column 0 of the frames
    is the true frame. A missing negative is False in `valid`; so are all frames of a padded
    question, so `valid[:, 0]` marks the questions that count. Masked vectors may have any finite
    value.
    """

    text: Tensor  # (B, D)
    images: Tensor  # (B, 1+N, T, D)
    valid: Tensor  # (B, 1+N) bool
    video_ids: Tensor  # (B,) int64, equal for questions on one video, on all processes
    text_ids: Tensor  # (B,) int64, equal for equal texts, on all processes

    def pairs(self) -> Tensor:
        """Return the mask of valid pairs of a question and its own frame, (B, 1+N) bool."""
        return self.valid & self.valid[:, :1]


def cosines(pool: Pool) -> Tensor:
    """Return the cosine of each question with its own frames, (B, 1+N), float32 or float64."""
    text, images = in_full(pool.text), in_full(pool.images)  # (B, D), (B, 1+N, T, D)
    of_tiles = (text[:, None, None] * images).sum(-1)  # (B, 1+N, T); no product, so no autocast
    return of_tiles.max(-1).values  # (B, 1+N); the gradient is that of one best tile


def gather_pool(pool: Pool, world_size: int) -> Pool:
    """Join all processes' pools, with gradient: process r's questions begin at row r·(P/W).

    Pools of fewer questions, negatives or tiles are padded to the largest (`pad`). With one
    process, returns the pool itself; with more, all must call this at the same point, for backward
    too.
    """
    if world_size == 1:
        return pool
    sizes = torch.tensor([pool.images.shape[:3]], device=pool.valid.device)
    pool = pad(pool, *gather(sizes, world_size).amax(0).tolist())  # of (W, 3)
    keys = torch.column_stack([pool.video_ids, pool.text_ids, pool.valid.long()])  # (B, 2+1+N)
    keys = gather(keys, world_size)  # (P, 2+1+N)
    return Pool(
        text=gather(in_full(pool.text), world_size),  # (P, D)
        images=gather(in_full(pool.images), world_size),  # (P, 1+N, T, D)
        valid=keys[:, 2:].bool(),
        video_ids=keys[:, 0],
        text_ids=keys[:, 1],
    )


def join_pools(pools: list[Pool]) -> Pool:
    """Join pools of one process, with 1+N and T padded to the largest (`pad`)."""
    frames, tiles = (max(pool.images.shape[axis] for pool in pools) for axis in (1, 2))
    pools = [pad(pool, len(pool.text), frames, tiles) for pool in pools]
    return Pool(
        text=torch.cat([pool.text for pool in pools]),
        images=torch.cat([pool.images for pool in pools]),
        valid=torch.cat([pool.valid for pool in pools]),
        video_ids=torch.cat([pool.video_ids for pool in pools]),
        text_ids=torch.cat([pool.text_ids for pool in pools]),
    )


def pad(pool: Pool, questions: int, frames: int, tiles: int) -> Pool:
    """Pad the pool with masked questions and frames, and each frame with its last tile repeated.

    So a frame's best tile stays what it is. Up to (questions, frames, tiles).
    """
    rows, columns = questions - pool.valid.shape[0], frames - pool.valid.shape[1]
    images = pool.images
    if more := tiles - images.shape[2]:
        images = torch.cat([images, images[:, :, -1:].expand(-1, -1, more, -1)], dim=2)
    return Pool(
        text=F.pad(pool.text, (0, 0, 0, rows)),
        images=F.pad(images, (0, 0, 0, 0, 0, columns, 0, rows)),
        valid=F.pad(pool.valid, (0, columns, 0, rows)),
        video_ids=F.pad(pool.video_ids, (0, rows)),
        text_ids=F.pad(pool.text_ids, (0, rows)),
    )


def gather(x: Tensor, world_size: int) -> Tensor:
    """Concatenate `x` (n, …) of all processes to (W·n, …); the gradient sums over processes.

    Each process's loss depends on the gathered columns, so each contributes to the gradient of
    every other: a gather that drops this is wrong by as much as the gradient itself.
    """
    if world_size == 1:
        return x
    gathered: Tensor = _Gather.apply(x, world_size)  # type: ignore[no-untyped-call]  # torch's own
    return gathered


class _Gather(torch.autograd.Function):
    """Custom, because `torch.distributed.nn.functional.all_gather` warns that it is deprecated."""

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


def in_full(x: Tensor) -> Tensor:
    """Convert to float32, or keep float64: losses are never computed in half precision."""
    return x.to(torch.promote_types(x.dtype, torch.float32))
