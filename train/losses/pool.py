"""The pool of a step: questions that are compared with each other, on one process or all.

A column is one frame of one question.

Shapes: B questions of this process's pool, C columns, T tiles of a frame, D width, K pairs of a
text and a frame, W processes (world size), P = W·B questions of all processes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor

_FRAME_BITS = 32
"""Frames are numbered in fewer bits, so text and frame make one int64."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Questions and their frames, without vectors.

    A question that counts has one true frame. A padded column belongs to no question (owner −1),
    and one of a question that does not count is not compared with any.
    """

    owners: Tensor  # (C,) int64 row of the question whose frame it is
    is_true: Tensor  # (C,) bool
    frame_ids: Tensor  # (C,) int64, equal for equal frames, on all processes
    valid: Tensor  # (B,) bool: the question counts
    video_ids: Tensor  # (B,) int64, equal for questions on one video, on all processes
    text_ids: Tensor  # (B,) int64, equal for equal texts, on all processes
    evidence: Tensor | None = None
    """(K,) int64 ascending: `pair_keys` of the texts and frames known to belong together, of all
    questions that are trained on, so the same on all processes."""

    def there(self) -> Tensor:
        """Return which columns are frames of questions that count, (C,) bool."""
        return (self.owners >= 0) & self.valid[self.owners]

    def pairs(self) -> Tensor:
        """Return which columns are compared with their own questions, (C,) bool.

        A negative that is evidence of an equal text is not.
        """
        shown = are_evidence(self.evidence, self.text_ids[self.owners], self.frame_ids)
        return self.there() & (self.is_true | ~shown)

    def true_columns(self) -> Tensor:
        """Return the column of each question's true frame, (B,) int64; without any, column 0."""
        rows = torch.where(self.is_true, self.owners, -1)  # (C,)
        rows = torch.where(rows < 0, len(self.valid), rows)
        first = rows.new_zeros(len(self.valid) + 1)
        first.scatter_(0, rows, torch.arange(len(rows), device=rows.device))
        return first[:-1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool(Columns):
    """Questions that are compared with each other, with their frames, as unit vectors.

    A frame has T tiles, and its cosine with a text is that of the best one. Vectors of what does
    not count may have any finite value.
    """

    text: Tensor  # (B, D)
    images: Tensor  # (C, T, D)


def columns_of(batch: Columns) -> dict[str, Any]:
    """Return the fields of `Columns` by name, as arguments of a Pool."""
    return {field.name: getattr(batch, field.name) for field in fields(Columns)}


def pair_keys(text_ids: Tensor, frame_ids: Tensor) -> Tensor:
    """Return one int64 for each pair of a text and a frame; the shapes are broadcast."""
    return text_ids << _FRAME_BITS | frame_ids


def are_evidence(evidence: Tensor | None, text_ids: Tensor, frame_ids: Tensor) -> Tensor:
    """Return which frames are known to show what a text asks, bool; the shapes are broadcast.

    Args:
        evidence: (K,) as `Columns.evidence`.
        text_ids: Of the texts.
        frame_ids: Of the frames; −1, of padding, is none.
    """
    keys = pair_keys(text_ids, frame_ids).contiguous()
    if evidence is None or not len(evidence):
        return torch.zeros_like(keys, dtype=torch.bool)
    places = torch.searchsorted(evidence, keys).clamp_(max=len(evidence) - 1)
    return evidence[places] == keys


def cosines(pool: Pool) -> Tensor:
    """Return the cosine of each column with its own question, (C,), float32 or float64."""
    text, images = in_full(pool.text)[pool.owners], in_full(pool.images)  # (C, D), (C, T, D)
    of_tiles = (text[:, None] * images).sum(-1)  # (C, T); no matrix product, so no autocast
    return of_tiles.max(-1).values  # (C,); the gradient is that of one best tile


def gather_pool(pool: Pool, world_size: int) -> Pool:
    """Join all processes' pools, with gradient.

    Process r's questions begin at row r·(P/W), and its columns at the r-th part of all. Pools of
    fewer questions, columns or tiles are padded to the largest (`pad`). With one process, returns
    the pool itself; with more, all must call this at the same point, for backward too.
    """
    if world_size == 1:
        return pool
    own = [len(pool.text), *pool.images.shape[:2]]
    sizes = gather(torch.tensor([own], device=pool.valid.device), world_size)  # (W, 3)
    pool = pad(pool, *sizes.amax(0).tolist())
    rows = torch.column_stack([pool.video_ids, pool.text_ids, pool.valid.long()])  # (B, 3)
    columns = torch.column_stack([pool.owners, pool.frame_ids, pool.is_true.long()])  # (C, 3)
    rows, columns = gather(rows, world_size), gather(columns, world_size)
    first = torch.arange(world_size, device=rows.device) * len(pool.text)  # (W,)
    owners = columns[:, 0] + first.repeat_interleave(len(pool.owners))
    return Pool(
        text=gather(in_full(pool.text), world_size),  # (P, D)
        images=gather(in_full(pool.images), world_size),  # (W·C, T, D)
        owners=torch.where(columns[:, 0] < 0, -1, owners),
        frame_ids=columns[:, 1],
        is_true=columns[:, 2].bool(),
        video_ids=rows[:, 0],
        text_ids=rows[:, 1],
        valid=rows[:, 2].bool(),
        evidence=pool.evidence,
    )


def join_pools(pools: Sequence[Pool]) -> Pool:
    """Join pools of one process, with T padded to the largest (`pad`)."""
    tiles = max(pool.images.shape[1] for pool in pools)
    pools = [pad(pool, len(pool.text), len(pool.images), tiles) for pool in pools]
    owners, first = [], 0
    for pool in pools:
        owners.append(torch.where(pool.owners < 0, -1, pool.owners + first))
        first += len(pool.text)
    return Pool(
        text=torch.cat([pool.text for pool in pools]),
        images=torch.cat([pool.images for pool in pools]),
        owners=torch.cat(owners),
        is_true=torch.cat([pool.is_true for pool in pools]),
        frame_ids=torch.cat([pool.frame_ids for pool in pools]),
        valid=torch.cat([pool.valid for pool in pools]),
        video_ids=torch.cat([pool.video_ids for pool in pools]),
        text_ids=torch.cat([pool.text_ids for pool in pools]),
        evidence=pools[0].evidence,
    )


def pad(pool: Pool, questions: int, columns: int, tiles: int) -> Pool:
    """Pad the pool with questions and columns that do not count, and tiles by each frame's last.

    So a frame's best tile stays what it is. Up to (questions, columns, tiles).
    """
    rows, frames = questions - len(pool.valid), columns - len(pool.owners)
    images = pool.images
    if more := tiles - images.shape[1]:
        images = torch.cat([images, images[:, -1:].expand(-1, more, -1)], dim=1)
    return Pool(
        text=F.pad(pool.text, (0, 0, 0, rows)),
        images=F.pad(images, (0, 0, 0, 0, 0, frames)),
        owners=F.pad(pool.owners, (0, frames), value=-1),
        is_true=F.pad(pool.is_true, (0, frames)),
        frame_ids=F.pad(pool.frame_ids, (0, frames), value=-1),
        valid=F.pad(pool.valid, (0, rows)),
        video_ids=F.pad(pool.video_ids, (0, rows)),
        text_ids=F.pad(pool.text_ids, (0, rows)),
        evidence=pool.evidence,
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
