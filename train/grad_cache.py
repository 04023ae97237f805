"""The gradient of one optimizer step, over a pool that need not fit in memory at once.

Shapes: b questions of a micro-batch, c its columns (`train.losses.pool.Columns`), f its distinct
frames, B questions of this process's pool, T tiles of a frame, D width, L tokens, w windows of the
texts, W processes.

A loss that is a sum over single questions needs no pool: each micro-batch is encoded and
back-propagated by itself, divided by a count known beforehand. One that compares every question
with all frames of the pool uses cached gradients (GradCache, Gao et al. 2021): encode all without
graph, compute the loss's gradient with respect to the vectors, then encode each micro-batch again
with graph and back-propagate its part. That is one more forward pass; memory is that of one
micro-batch and the pool's vectors. If every process has one micro-batch, nothing is cached and
there is no second pass.

A text that does not fit into the encoder has several windows, and the one that fits the question's
true frame best is its text, as when a frame is scored by the best of them.

The encoder is `module(tokens=, pixel_values=) -> (text (w, D), images (f·T, D))`, unit vectors
in float32, None for inputs that are None; plain, or wrapped by DistributedDataParallel. It handles
mixed precision itself (`accelerator.prepare` wraps forward).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from train.losses.base import Loss
from train.losses.pool import Columns, Pool, columns_of, gather, join_pools


@dataclass(frozen=True, slots=True, kw_only=True)
class MicroBatch(Columns):
    """Questions encoded together, on the device.

    Without a frame, it has one column of a question that does not count, since every process takes
    part in every pass.
    """

    tokens: dict[str, Tensor]  # each (w, L)
    windows: Sequence[int] | None = None  # how many of the w are each question's; None: one each
    pixel_values: Tensor | None = None  # (f·T, 3, H, W); None: the vectors are in `images`
    tiles: int = 1  # T of `pixel_values`
    places: Tensor | None = None  # (c,) int64 which of the f each column is; None: f = c, in order
    images: Tensor | None = None  # (c, T, D) unit vectors from an index


@dataclass(frozen=True, slots=True)
class StepReport:
    """Statistics of one step over all processes, equal on each except for `finite`."""

    loss: float  # not finite on one process: not finite on any
    positives: int
    negatives: int
    masked: int  # pairs of a question and a frame that the loss left out as likely answers
    finite: Tensor  # (B,) bool: True for own questions, in order, with finite vectors


def pool_gradient(
    module: nn.Module,
    batches: Sequence[MicroBatch],
    loss: Loss,
    logit_scale: Tensor,
    logit_bias: Tensor,
    *,
    rank: int = 0,
    world_size: int = 1,
    backward: Callable[[Tensor], object] = Tensor.backward,
) -> StepReport:
    """Add one step's gradient, averaged over processes, to `.grad` of all trained parameters.

    `logit_scale` (the scale's logarithm) and `logit_bias` are 0-d. Their gradients, if they
    require any, are averaged here and not by DDP: if the model holds them, wrap it inside
    `out_of_ddp`. `batches`, one or more, may differ between processes in number, questions and
    columns. `backward` is called on losses, never on vectors: `accelerator.backward`, with
    accumulation steps 1, adds loss scaling for fp16. A frozen tower, best in eval mode, has no
    second pass. Raises ValueError if no process has a question.
    """
    chunks, positives, pairs = _totals(batches, world_size)
    if positives == 0:
        raise ValueError("a step without questions: every row of every process is padding")
    scale = logit_scale.detach().requires_grad_(logit_scale.requires_grad)
    bias = logit_bias.detach().requires_grad_(logit_bias.requires_grad)
    losses: list[Tensor] = []
    masked: list[Tensor] = []
    finite: list[Tensor] = []

    def loss_of(pool: Pool) -> Tensor:
        total, left_out = loss.sum(pool, scale.exp(), bias, rank, world_size)
        losses.append(total.detach() / positives)
        masked.append(left_out)
        finite.append(_finite(pool))
        return total * (world_size / positives)

    if loss.needs_pool and chunks > 1:
        _backward_cached(module, batches, loss_of, backward)
    else:
        _backward_each(module, batches, loss_of, backward)
    _add_gradient(logit_scale, scale.grad, world_size)
    _add_gradient(logit_bias, bias.grad, world_size)
    return StepReport(
        loss=float(_sum(losses, world_size)),
        positives=positives,
        negatives=pairs - positives,
        masked=int(_sum(masked, world_size)),
        finite=torch.cat(finite),
    )


@contextmanager
def out_of_ddp(*parameters: nn.Parameter) -> Iterator[None]:
    """Keep `parameters` of a model out of DDP, if it is prepared (wrapped) inside this context.

    DDP averages the parameters that require a gradient when it wraps the model, and waits for each
    of them in every step. The encoder's forward uses neither scale nor bias; `pool_gradient`
    averages their gradients.
    """
    learns = [parameter.requires_grad for parameter in parameters]
    for parameter in parameters:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter, learnt in zip(parameters, learns, strict=True):
            parameter.requires_grad_(learnt)


def encode(module: nn.Module, batch: MicroBatch) -> Pool:
    """Encode a micro-batch as a pool of vectors, with graph if autograd is on."""
    return _encode(module, batch)[0]


def _encode(module: nn.Module, batch: MicroBatch) -> tuple[Pool, Tensor]:
    """Encode a micro-batch; return the windows (b,) that are the questions' texts, too."""
    text, images = _vectors(module, batch, text=True, images=True)
    assert text is not None
    assert images is not None
    best = _best_windows(batch, text, images)
    return Pool(text=text[best], images=images, **columns_of(batch)), best


@torch.no_grad()
def encode_pool(module: nn.Module, batches: Sequence[MicroBatch]) -> Pool:
    """Encode all micro-batches of this process as one pool of vectors, without graph."""
    return join_pools([encode(_unwrapped(module), batch) for batch in batches])


def _backward_each(
    module: nn.Module,
    batches: Sequence[MicroBatch],
    loss_of: Callable[[Pool], Tensor],
    backward: Callable[[Tensor], object],
) -> None:
    for number, batch in enumerate(batches, 1):
        with _synchronised(module, number == len(batches)):
            backward(loss_of(encode(module, batch)))


def _backward_cached(
    module: nn.Module,
    batches: Sequence[MicroBatch],
    loss_of: Callable[[Pool], Tensor],
    backward: Callable[[Tensor], object],
) -> None:
    pools, best, random_states = _first_pass(_unwrapped(module), batches)
    backward(loss_of(join_pools(pools)))
    if pools[0].text.grad is None and pools[0].images.grad is None:
        return
    passed = zip(batches, pools, best, random_states, strict=True)
    for number, (batch, own, windows, random_state) in enumerate(passed, 1):
        with (
            _synchronised(module, number == len(batches)),
            _replayed(random_state, own.text.device),
        ):
            gradients = own.text.grad, own.images.grad
            text, images = (gradient is not None for gradient in gradients)
            text_vectors, image_vectors = _vectors(module, batch, text=text, images=images)
            vectors = None if text_vectors is None else text_vectors[windows], image_vectors
            pairs = zip(vectors, gradients, strict=True)
            given = [(v, g) for v, g in pairs if v is not None and g is not None]
            torch.autograd.backward([v for v, _ in given], [g for _, g in given])


def _first_pass(
    module: nn.Module, batches: Sequence[MicroBatch]
) -> tuple[list[Pool], list[Tensor], list[_RandomState]]:
    """Return each micro-batch's vectors as leaves, its best windows, and the random state before it
    (for dropout).

    The first is encoded with graph, only to find out which of text and images need a gradient.
    """
    pools: list[Pool] = []
    best: list[Tensor] = []
    states: list[_RandomState] = []
    for batch in batches:
        states.append(_random_state(batch.valid.device))
        with torch.set_grad_enabled(not pools):
            pool, windows = _encode(module, batch)
        pools.append(pool)
        best.append(windows)
    text, images = pools[0].text.requires_grad, pools[0].images.requires_grad
    leaves = [
        replace(
            pool,
            text=pool.text.detach().requires_grad_(text),
            images=pool.images.detach().requires_grad_(images),
        )
        for pool in pools
    ]
    return leaves, best, states


def _vectors(
    module: nn.Module, batch: MicroBatch, *, text: bool, images: bool
) -> tuple[Tensor | None, Tensor | None]:
    """Return the requested unit vectors: text (w, D) and images (c, T, D), None for others."""
    text_vectors, image_vectors = module(
        tokens=batch.tokens if text else None,
        pixel_values=batch.pixel_values if images else None,
    )
    if image_vectors is not None:
        image_vectors = image_vectors.view(-1, batch.tiles, image_vectors.shape[-1])  # (f, T, D)
        if batch.places is not None:
            image_vectors = image_vectors[batch.places]
    elif images:
        image_vectors = batch.images
    return text_vectors, image_vectors


@torch.no_grad()
def _best_windows(batch: MicroBatch, text: Tensor, images: Tensor) -> Tensor:
    """Return which of the windows (w, D) is each question's text, (b,): that of its true frame.

    Args:
        batch: The micro-batch.
        text: (w, D) vectors of all windows.
        images: (c, T, D) vectors of the frames' tiles.
    """
    if batch.windows is None or len(batch.windows) == len(text):
        return torch.arange(len(text), device=text.device)
    counts = torch.tensor(batch.windows, device=text.device)
    true = images[batch.true_columns()].to(text.dtype).repeat_interleave(counts, dim=0)  # (w, T, D)
    scores = (text[:, None] * true).sum(-1).amax(-1)  # (w,)
    best, first = [], 0
    for own in torch.split(scores, list(batch.windows)):
        best.append(first + own.argmax())
        first += len(own)
    return torch.stack(best)


def _finite(pool: Pool) -> Tensor:
    """Return which questions have finite vectors of text and frames, (B,) bool."""
    frames = pool.images.isfinite().flatten(1).all(-1)  # (C,)
    bad = torch.zeros_like(pool.video_ids)  # (B,)
    bad.index_add_(0, pool.owners.clamp(min=0), (~frames & (pool.owners >= 0)).long())
    return pool.text.isfinite().all(-1) & (bad == 0)


def _unwrapped(module: nn.Module) -> nn.Module:
    return module.module if isinstance(module, DistributedDataParallel) else module


def _synchronised(module: nn.Module, last: bool) -> AbstractContextManager[None]:
    """Let DDP average gradients in the last backward pass of a step, and in no other."""
    if last or not isinstance(module, DistributedDataParallel):
        return nullcontext()
    return module.no_sync()


_RandomState = tuple[Tensor, Tensor | None]


def _random_state(device: torch.device) -> _RandomState:
    on_gpu = torch.cuda.get_rng_state(device) if device.type == "cuda" else None
    return torch.get_rng_state(), on_gpu


@contextmanager
def _replayed(state: _RandomState, device: torch.device) -> Iterator[None]:
    """Repeat the random draws made from `state` on; restore the current state afterwards."""
    cpu, on_gpu = state
    with torch.random.fork_rng(devices=[] if on_gpu is None else [device]):
        torch.set_rng_state(cpu)
        if on_gpu is not None:
            torch.cuda.set_rng_state(on_gpu, device)
        yield


def _totals(batches: Sequence[MicroBatch], world_size: int) -> tuple[int, int, int]:
    """Return the maximum of micro-batches per process, and the total of questions and pairs."""
    own = torch.stack(
        [torch.stack([batch.valid.sum(), batch.pairs().sum()]) for batch in batches]
    )  # (micro-batches, 2)
    sizes = torch.cat([own.new_tensor([len(batches)]), own.sum(0)])  # (3,)
    chunks, positives, pairs = gather(sizes[None], world_size).unbind(1)  # (W,) each
    return int(chunks.max()), int(positives.sum()), int(pairs.sum())


def _sum(values: list[Tensor], world_size: int) -> Tensor:
    total = torch.stack(values).sum()
    return gather(total[None], world_size).sum()


def _add_gradient(parameter: Tensor, gradient: Tensor | None, world_size: int) -> None:
    if gradient is None:
        return
    if world_size > 1:
        dist.all_reduce(gradient)
        gradient = gradient / world_size
    parameter.grad = gradient if parameter.grad is None else parameter.grad + gradient
