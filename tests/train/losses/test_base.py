"""The losses against plain loops, finite differences and their own definitions.

Shapes: B questions, N negatives, T tiles, D width, W processes, P = W·B.
"""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import cross_entropy, normalize

from train.losses.base import load_loss
from train.losses.contrastive import contrastive_sum, kept_pairs, masked_pairs
from train.losses.pool import Pool, cosines, join_pools, pad
from train.losses.registry import LOSSES

SETTINGS = tuple(LOSSES)


def draw_pool(
    seed: int,
    questions: int = 6,
    negatives: int = 3,
    width: int = 5,
    *,
    tiles: int = 1,
    masked: bool = True,
) -> Pool:
    generator = torch.Generator().manual_seed(seed)

    def unit(*shape: int) -> Tensor:
        vectors = torch.randn(*shape, generator=generator, dtype=torch.float64)
        return normalize(vectors, dim=-1)

    valid = torch.rand(questions, 1 + negatives, generator=generator) < 0.7
    valid[0, 0] = True
    return Pool(
        text=unit(questions, width),
        images=unit(questions, 1 + negatives, tiles, width),
        valid=valid if masked else torch.ones_like(valid),
        video_ids=torch.randint(4, (questions,), generator=generator),
        text_ids=torch.randint(4, (questions,), generator=generator),
    )


pools = st.builds(
    draw_pool,
    seed=st.integers(0, 2**31),
    questions=st.integers(1, 7),
    negatives=st.integers(0, 5),
    tiles=st.integers(1, 4),
)


def loss_sum(
    setting: int, pool: Pool, scale: Tensor, bias: Tensor, rank: int = 0, world_size: int = 1
) -> tuple[Tensor, Tensor]:
    return load_loss(setting).sum(pool, scale, bias, rank, world_size)


def scalar(value: float) -> Tensor:
    return torch.tensor(value, dtype=torch.float64)


def by_loops(setting: int, pool: Pool, scale: float, bias: float) -> float:
    text, images, valid = pool.text.tolist(), pool.images.tolist(), pool.valid.tolist()
    video, words = pool.video_ids.tolist(), pool.text_ids.tolist()
    queries = [i for i in range(len(text)) if valid[i][0]]

    def logit(i: int, j: int, n: int) -> float:
        of_tiles = (
            math.fsum(a * b for a, b in zip(text[i], tile, strict=True)) for tile in images[j][n]
        )
        return scale * max(of_tiles)

    def log_sum(values: list[float]) -> float:
        top = max(values)
        return top + math.log(math.fsum(math.exp(value - top) for value in values))

    total = 0.0
    for i in queries:
        if setting == 3:
            others = [j for j in queries if j != i and video[j] != video[i]]
            frames = [logit(i, i, n) for n, there in enumerate(valid[i]) if there]
            for j in others:
                for n, there in enumerate(valid[j]):
                    if there and not (n == 0 and words[j] == words[i]):
                        frames.append(logit(i, j, n))
            texts = [logit(i, i, 0)] + [logit(j, i, 0) for j in others if words[j] != words[i]]
            total += (log_sum(frames) + log_sum(texts)) / 2 - logit(i, i, 0)
            continue
        for n, there in enumerate(valid[i]):
            if there and (n == 0 or setting == 1):
                z = logit(i, i, n) + bias
                total += math.log1p(math.exp(-z if n == 0 else z))
    return total


@settings(max_examples=60, deadline=None)
@given(pools, st.sampled_from(SETTINGS), st.floats(0.5, 100), st.floats(-30, 5))
def test_losses_are_what_plain_loops_give(
    pool: Pool, setting: int, scale: float, bias: float
) -> None:
    loss, masked = loss_sum(setting, pool, scalar(scale), scalar(bias))
    assert float(loss) == pytest.approx(by_loops(setting, pool, scale, bias), rel=1e-9, abs=1e-9)
    assert setting == 3 or int(masked) == 0


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("seed", range(3))
def test_gradients_are_those_of_finite_differences(setting: int, seed: int) -> None:
    pool = draw_pool(seed)

    def loss(text: Tensor, images: Tensor, scale: Tensor, bias: Tensor) -> Tensor:
        return loss_sum(setting, replace(pool, text=text, images=images), scale, bias)[0]

    leaves = [pool.text, pool.images, scalar(5.0), scalar(-1.0)]
    assert torch.autograd.gradcheck(loss, [leaf.requires_grad_() for leaf in leaves])


@settings(max_examples=30, deadline=None)
@given(pools, st.sampled_from(SETTINGS), st.sampled_from([torch.float32, torch.float64]))
def test_what_is_masked_neither_counts_nor_learns(
    pool: Pool, setting: int, dtype: torch.dtype
) -> None:
    text, images = pool.text.to(dtype), pool.images.to(dtype)
    there = (pool.valid & pool.valid[:, :1])[..., None, None]
    queries = pool.valid[:, :1]
    pool = replace(
        pool,
        text=torch.where(queries, text, 1e3).requires_grad_(),
        images=torch.where(there, images, 1e3).requires_grad_(),
    )
    loss, _ = loss_sum(setting, pool, torch.tensor(100.0), torch.tensor(-25.0))
    expected, _ = loss_sum(
        setting, replace(pool, text=text, images=images), torch.tensor(100.0), torch.tensor(-25.0)
    )
    torch.testing.assert_close(loss, expected)
    torch.autograd.backward(loss)
    assert pool.text.grad is not None
    assert pool.images.grad is not None
    assert bool(pool.text.grad.isfinite().all())
    assert not bool((pool.text.grad * ~queries).any())
    assert bool(pool.images.grad.isfinite().all())
    assert not bool((pool.images.grad * ~there).any())


@pytest.mark.parametrize("setting", SETTINGS)
def test_padding_alone_gives_zero_and_no_nan(setting: int) -> None:
    pool = draw_pool(0)
    pool = replace(pool, text=pool.text.requires_grad_(), valid=torch.zeros_like(pool.valid))
    loss, _ = loss_sum(setting, pool, scalar(100.0), scalar(-25.0))
    torch.autograd.backward(loss)
    assert loss.item() == 0
    assert pool.text.grad is not None
    assert not bool(pool.text.grad.any())


def test_own_rows_of_every_process_add_up_to_the_whole() -> None:
    whole = draw_pool(3, questions=8)
    scale = scalar(20.0)
    expected, masked = loss_sum(3, whole, scale, scalar(0.0))
    total, left_out = scalar(0.0), 0
    for rank in range(4):
        rows = slice(2 * rank, 2 * rank + 2)
        own = Pool(
            whole.text[rows],
            whole.images[rows],
            whole.valid[rows],
            whole.video_ids[rows],
            whole.text_ids[rows],
        )
        kept = kept_pairs(own, whole, offset=2 * rank)
        total += contrastive_sum(own, whole, kept, scale, offset=2 * rank)
        left_out += int(masked_pairs(own, whole, kept))
    torch.testing.assert_close(total, expected)
    assert left_out == int(masked) > 0


def test_contrastive_masks_same_video_and_equal_text() -> None:
    pool = replace(
        draw_pool(0, questions=4, negatives=1, masked=False),
        video_ids=torch.tensor([7, 7, 8, 9]),
        text_ids=torch.tensor([1, 2, 1, 3]),
    )
    pool.valid[2, 1] = False  # question 2 has no negative
    assert kept_pairs(pool, pool).int().tolist() == [
        [[1, 1], [0, 0], [0, 0], [1, 1]],  # 1 is on its video; 2 asks the same
        [[0, 0], [1, 1], [1, 0], [1, 1]],
        [[0, 1], [1, 1], [1, 0], [1, 1]],  # 0 asks the same: its negative stays
        [[1, 1], [1, 1], [1, 0], [1, 1]],
    ]
    assert int(loss_sum(3, pool, scalar(1.0), scalar(0.0))[1]) == 6


def test_a_question_alone_has_no_contrastive_loss() -> None:
    pool = draw_pool(0, questions=1, negatives=0)
    assert float(loss_sum(3, pool, scalar(100.0), scalar(0.0))[0]) == 0


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_vectors_are_computed_in_float32(setting: int, dtype: torch.dtype) -> None:
    pool = draw_pool(1)
    half = replace(pool, text=pool.text.to(dtype), images=pool.images.to(dtype))
    full = replace(half, text=half.text.float(), images=half.images.float())
    scale, bias = torch.tensor(100.0), torch.tensor(-25.0)
    expected, _ = loss_sum(setting, full, scale, bias)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss, _ = loss_sum(setting, half, scale, bias)
    assert loss.dtype == torch.float32
    assert torch.equal(loss, expected)


@pytest.mark.parametrize("seed", range(5))
def test_with_one_tile_all_is_to_the_bit_as_without_tiles(seed: int) -> None:
    pool = draw_pool(seed, 7, 3, width=33)
    pool = replace(pool, text=pool.text.float(), images=pool.images.float())
    leaves = [pool.text.clone().requires_grad_(), pool.images.clone().requires_grad_()]
    pool = replace(pool, text=leaves[0], images=leaves[1])
    frames = leaves[1][:, :, 0]  # (B, 1+N, D), as it was
    assert torch.equal(cosines(pool), (leaves[0][:, None] * frames).sum(-1))
    kept = kept_pairs(pool, pool)
    scale = torch.tensor(20.0)
    to_image = (scale * leaves[0] @ frames.flatten(0, 1).T).masked_fill(~kept.flatten(1), -math.inf)
    to_text = (scale * frames[:, 0] @ leaves[0].T).masked_fill(~kept[:, :, 0], -math.inf)
    me = torch.arange(len(leaves[0]))
    losses = cross_entropy(to_image, me * frames.shape[1], reduction="none")
    losses = losses + cross_entropy(to_text, me, reduction="none")
    former = (losses * pool.valid[:, 0]).sum() / 2
    now = contrastive_sum(pool, pool, kept, scale)
    assert torch.equal(now, former)
    for a, b in zip(
        torch.autograd.grad(now, leaves), torch.autograd.grad(former, leaves), strict=True
    ):
        assert torch.equal(a, b)


def test_the_gradient_goes_through_the_best_tile_alone() -> None:
    pool = draw_pool(3, 4, 2, tiles=5)
    images = pool.images.clone().requires_grad_()
    pool = replace(pool, images=images)
    torch.autograd.backward(cosines(pool).sum())
    assert images.grad is not None
    best = (pool.text[:, None, None] * pool.images).sum(-1).argmax(-1)  # (B, 1+N)
    touched = images.grad.abs().sum(-1) > 0  # (B, 1+N, T)
    assert (touched.sum(-1) == 1).all()
    assert (touched.int().argmax(-1) == best).all()


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**31), st.sampled_from(SETTINGS))
def test_joined_and_padded_pools_keep_their_loss(seed: int, setting: int) -> None:
    first, second = draw_pool(seed, 3, 1, tiles=3), draw_pool(seed + 1, 4, 4, tiles=2)
    second = replace(second, video_ids=second.video_ids + 4, text_ids=second.text_ids + 4)
    joined = join_pools([first, second])
    assert joined.valid.shape == (7, 5)
    assert joined.images.shape == (7, 5, 3, 5)
    expected = by_loops(setting, joined, 10.0, -1.0)
    loss, _ = loss_sum(setting, pad(joined, 9, 6, 4), scalar(10.0), scalar(-1.0))
    assert float(loss) == pytest.approx(expected)
    if setting != 3:  # the others have nothing to do with the rest of the pool
        alone = by_loops(setting, first, 10.0, -1.0) + by_loops(setting, second, 10.0, -1.0)
        assert float(loss) == pytest.approx(alone)


@settings(max_examples=50, deadline=None)
@given(pools, st.floats(1, 100))
def test_bias_1_predicts_the_share_of_positives(pool: Pool, scale: float) -> None:
    pairs = pool.pairs()
    bias = load_loss(1).initial_bias(cosines(pool), pairs, scale)
    predicted = torch.sigmoid(scale * cosines(pool)[pairs] + bias).mean()
    share = min(max(float(pairs[:, 0].sum() / pairs.sum()), 0.01), 0.99)
    assert float(predicted) == pytest.approx(share, abs=1e-9)


def test_biases_at_scale_100_and_usual_cosines() -> None:
    similarity = torch.linspace(0.15, 0.30, 512).view(256, 2)
    valid = torch.ones(256, 2, dtype=torch.bool)
    assert load_loss(1).initial_bias(similarity, valid, 100.0) == pytest.approx(-22.5, abs=0.1)
    many = torch.linspace(0.15, 0.30, 64 * 400).view(64, 400)
    few = load_loss(1).initial_bias(many, torch.ones_like(many, dtype=torch.bool), 100.0)
    predicted = torch.sigmoid(100 * many.double() + few).mean()
    assert float(predicted) == pytest.approx(0.01)  # 1 in 400, clamped
    valid[128:, 0] = False
    expected = -100 * float(similarity[:128, 0].mean())
    assert load_loss(2).initial_bias(similarity, valid, 100.0) == pytest.approx(expected)
    assert load_loss(3).initial_bias(similarity, valid, 100.0) == 0
