"""The losses against plain loops, finite differences and their own definitions.

Shapes: B questions, C columns, T tiles, D width, W processes.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, normalize

from train.batches import columns
from train.losses.base import load_loss
from train.losses.pool import Pool, columns_of, cosines, join_pools, pad, pair_keys
from train.losses.registry import LOSSES

SETTINGS = tuple(LOSSES)
OF_POOL = (3, 4)
"""Losses over the whole pool."""


def draw_pool(
    seed: int,
    questions: int = 6,
    negatives: int = 3,
    width: int = 5,
    *,
    tiles: int = 1,
    masked: bool = True,
    equal_frames: bool = True,
) -> Pool:
    """Draw a pool; some questions do not count, and some frames are equal or evidence."""
    rng = np.random.default_rng(seed)
    counts = np.full(questions, 1 + negatives)
    if masked:
        counts = rng.integers(0, 2 + negatives, questions)
        counts[0] = max(counts[0], 1)
    generator = torch.Generator().manual_seed(seed)

    def unit(*shape: int) -> Tensor:
        vectors = torch.randn(*shape, generator=generator, dtype=torch.float64)
        return normalize(vectors, dim=-1)

    videos = torch.from_numpy(rng.integers(4, size=questions))
    flat = columns(counts)
    frames = torch.arange(len(flat["owners"]))
    if equal_frames:
        places = [rng.permutation(7)[:count] for count in counts]  # a question has none twice
        frames = 7 * videos[flat["owners"]] + torch.from_numpy(np.concatenate(places))
    images = unit(28 + len(frames), tiles, width)[frames]
    texts = torch.from_numpy(rng.integers(4, size=questions))
    known = pair_keys(torch.from_numpy(rng.integers(4, size=4)), torch.arange(4) * 7 + 1)
    true = pair_keys(texts[flat["owners"]], frames)[flat["is_true"]]
    return Pool(
        text=unit(questions, width),
        images=images,
        **flat,
        frame_ids=frames,
        video_ids=videos,
        text_ids=texts,
        evidence=torch.unique(torch.cat([known, true])) if equal_frames else None,
    )


pools = st.builds(
    draw_pool,
    seed=st.integers(0, 2**31),
    questions=st.integers(1, 7),
    negatives=st.integers(0, 5),
    tiles=st.integers(1, 4),
    equal_frames=st.booleans(),
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
    owners, is_true, frames = pool.owners.tolist(), pool.is_true.tolist(), pool.frame_ids.tolist()
    known = set([] if pool.evidence is None else pool.evidence.tolist())
    queries = [i for i in range(len(text)) if valid[i]]
    there = [c for c, owner in enumerate(owners) if owner >= 0 and valid[owner]]
    true = {owners[c]: c for c in there if is_true[c]}

    def logit(i: int, c: int) -> float:
        of_tiles = (
            math.fsum(a * b for a, b in zip(text[i], tile, strict=True)) for tile in images[c]
        )
        return scale * max(of_tiles)

    def shown(i: int, c: int) -> bool:
        return words[i] << 32 | frames[c] in known

    def log_sum(values: list[float]) -> float:
        top = max(values)
        return top + math.log(math.fsum(math.exp(value - top) for value in values))

    total = 0.0
    for i in queries:
        own = [c for c in there if owners[c] == i and (is_true[c] or not shown(i, c))]
        if setting in OF_POOL:
            kept = {frames[c]: c for c in own}
            for c in there:
                j = owners[c]
                likely = video[j] == video[i] or (is_true[c] and words[j] == words[i])
                if j != i and not likely and not shown(i, c):
                    kept.setdefault(frames[c], c)
            logits = [logit(i, c) for c in kept.values()]
            if setting == 4:
                for c in kept.values():
                    z = logit(i, c) + bias
                    total += math.log1p(math.exp(-z if c == true[i] else z))
                continue
            texts = [logit(i, true[i])] + [
                logit(j, true[i])
                for j in queries
                if video[j] != video[i] and words[j] != words[i] and not shown(j, true[i])
            ]
            total += (log_sum(logits) + log_sum(texts)) / 2 - logit(i, true[i])
            continue
        for c in own if setting == 1 else [true[i]]:
            z = logit(i, c) + bias
            total += math.log1p(math.exp(-z if is_true[c] else z)) / (
                len(own) if setting == 1 else 1
            )
    return total


@settings(max_examples=80, deadline=None)
@given(pools, st.sampled_from(SETTINGS), st.floats(0.5, 100), st.floats(-30, 5))
def test_losses_are_what_plain_loops_give(
    pool: Pool, setting: int, scale: float, bias: float
) -> None:
    loss, masked = loss_sum(setting, pool, scalar(scale), scalar(bias))
    assert float(loss) == pytest.approx(by_loops(setting, pool, scale, bias), rel=1e-9, abs=1e-9)
    assert setting != 2 or int(masked) == 0


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
    pool = pad(replace(pool, text=text, images=images), len(text) + 1, len(images) + 2, 4)
    text, images = pool.text, pool.images
    there, queries = pool.there()[:, None, None], pool.valid[:, None]
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


@pytest.mark.parametrize("setting", OF_POOL)
def test_own_rows_of_every_process_add_up_to_the_whole(
    setting: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = [draw_pool(seed, questions=2) for seed in range(4)]
    most = max(len(part.owners) for part in parts)
    whole = join_pools([pad(part, 2, most, 1) for part in parts])
    scale, bias = scalar(20.0), scalar(-3.0)
    expected, masked = loss_sum(setting, whole, scale, bias)
    for name in ("contrastive", "sigmoid"):
        monkeypatch.setattr(f"train.losses.{name}.gather_pool", lambda _pool, _world: whole)
    total, left_out = scalar(0.0), 0
    for rank, part in enumerate(parts):
        evidence = replace(pad(part, 2, most, 1), evidence=whole.evidence)
        loss, own = loss_sum(setting, evidence, scale, bias, rank, 4)
        total, left_out = total + loss, left_out + int(own)
    torch.testing.assert_close(total, expected)
    assert left_out == int(masked) > 0


def of_columns(frames: list[list[int]], videos: list[int], texts: list[int]) -> Pool:
    """A pool of questions with these frames, the true one first."""
    pool = draw_pool(0, questions=len(frames), masked=False)
    ids = [frame for own in frames for frame in own]
    return replace(
        pool,
        images=normalize(torch.randn(len(ids), 1, 5, dtype=torch.float64), dim=-1),
        **columns(np.array([len(own) for own in frames])),
        frame_ids=torch.tensor(ids),
        video_ids=torch.tensor(videos),
        text_ids=torch.tensor(texts),
        evidence=None,
    )


def kept_by(pool: Pool) -> tuple[list[list[int]], list[list[int]]]:
    """Which frames and which texts each question of a pool is compared with."""
    from train.losses.masks import kept_frames, kept_texts, likely_answers

    frames = kept_frames(pool, pool, likely_answers(pool, pool))
    return frames.int().tolist(), kept_texts(pool, pool).int().tolist()


def test_same_video_and_equal_text_are_no_negatives() -> None:
    pool = of_columns([[0, 1], [2, 3], [4], [5, 6]], videos=[7, 7, 8, 9], texts=[1, 2, 1, 3])
    frames, texts = kept_by(pool)
    assert frames == [
        [1, 1, 0, 0, 0, 1, 1],  # 1 is on its video; 2 asks the same
        [0, 0, 1, 1, 1, 1, 1],
        [0, 1, 1, 1, 1, 1, 1],  # 0 asks the same: its negative stays
        [1, 1, 1, 1, 1, 1, 1],
    ]
    assert texts == [[1, 0, 0, 1], [0, 1, 1, 1], [0, 1, 1, 1], [1, 1, 1, 1]]
    assert int(loss_sum(3, pool, scalar(1.0), scalar(0.0))[1]) == 6


def test_known_evidence_is_no_negative_whoever_mined_it() -> None:
    # Question 0 asks text 1 about video 7. Frames 4 and 5 of video 8 are evidence of text 1, by a
    # question that is not in this pool; so is frame 1, which was mined as a negative of question 0.
    pool = of_columns([[0, 1], [4, 5], [8, 9]], videos=[7, 8, 9], texts=[1, 2, 3])
    pool = replace(pool, evidence=pair_keys(torch.tensor([1, 1, 1]), torch.tensor([1, 4, 5])))
    frames, texts = kept_by(pool)
    assert frames == [[1, 0, 0, 0, 1, 1], [1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 1, 1]]
    # The true frame of question 1 shows what question 0 asks, so it is not told apart from it.
    assert texts == [[1, 1, 1], [0, 1, 1], [1, 1, 1]]
    assert pool.pairs().tolist() == [True, False, True, True, True, True]
    assert int(loss_sum(1, pool, scalar(1.0), scalar(0.0))[1]) == 1
    assert int(loss_sum(4, pool, scalar(1.0), scalar(0.0))[1]) == 3


def test_equal_frames_count_once_and_the_own_true_frame_stays() -> None:
    # Questions 1 and 2 are about one video, and question 2's true frame is a negative of 1.
    pool = of_columns([[0], [4, 5], [5, 4, 6]], videos=[7, 8, 8], texts=[1, 2, 3])
    frames, _ = kept_by(pool)
    assert frames == [[1, 1, 1, 0, 0, 1], [1, 1, 1, 0, 0, 0], [1, 0, 0, 1, 1, 1]]
    pool.valid[1] = False
    frames, _ = kept_by(pool)
    assert frames[0] == [1, 0, 0, 1, 1, 1]


@pytest.mark.parametrize("setting", OF_POOL)
def test_equal_frames_give_the_loss_of_one(setting: int) -> None:
    pool = of_columns([[0, 1], [4, 5], [8, 5]], videos=[7, 8, 8], texts=[1, 2, 3])
    pool.images[5] = pool.images[3]
    alone = of_columns([[0, 1], [4, 5], [8]], videos=[7, 8, 8], texts=[1, 2, 3])
    alone = replace(alone, images=pool.images[:5], text=pool.text)
    first = slice(0, 1)  # question 0, which has no part in those frames
    row, expected = (
        replace(one, valid=torch.tensor([True] * 3), text=one.text.clone().requires_grad_())
        for one in (pool, alone)
    )
    for one in (row, expected):
        torch.autograd.backward(loss_sum(setting, one, scalar(5.0), scalar(-1.0))[0])
    assert row.text.grad is not None
    assert expected.text.grad is not None
    torch.testing.assert_close(row.text.grad[first], expected.text.grad[first])


@pytest.mark.parametrize("setting", SETTINGS)
def test_without_new_cases_losses_are_those_of_a_padded_pool(setting: int) -> None:
    """As they are written with (B, 1+N) frames: equal numbers, no frame twice, none known."""
    pool = draw_pool(3, 7, 3, masked=False, equal_frames=False)
    images = pool.images[:, 0].view(7, 4, -1)  # (B, 1+N, D)
    own = 20.0 * (pool.text[:, None] * images).sum(-1) - 3.0  # (B, 1+N)
    if setting == 1:
        labels = torch.zeros_like(own)
        labels[:, 0] = 1
        expected = binary_cross_entropy_with_logits(own, labels, reduction="none").mean(1).sum()
    elif setting == 2:
        expected = -torch.nn.functional.logsigmoid(own[:, 0]).sum()
    else:
        me = torch.arange(7)
        same_video = pool.video_ids[:, None] == pool.video_ids
        equal_text = pool.text_ids[:, None] == pool.text_ids
        others = me[:, None] != me
        kept = (~(others & same_video))[:, :, None].repeat(1, 1, 4)
        kept[:, :, 0] &= ~(others & equal_text)
        logits = 20.0 * (pool.text @ images.flatten(0, 1).T)
        if setting == 3:
            rows = logits.masked_fill(~kept.flatten(1), -math.inf)
            back = (20.0 * images[:, 0] @ pool.text.T).masked_fill(~kept[:, :, 0], -math.inf)
            expected = (
                cross_entropy(rows, 4 * me, reduction="sum")
                + cross_entropy(back, me, reduction="sum")
            ) / 2
        else:
            labels = torch.zeros_like(logits)
            labels[me, 4 * me] = 1
            each = binary_cross_entropy_with_logits(logits - 3.0, labels, reduction="none")
            expected = (each * kept.flatten(1)).sum()
    loss, _ = loss_sum(setting, pool, scalar(20.0), scalar(-3.0))
    torch.testing.assert_close(loss, expected)


def test_a_question_of_loss_1_counts_once_whatever_its_frames() -> None:
    """A video of half an hour weighed 55 times as much as one of 15 s."""
    pool = of_columns([[0, *range(10, 60)], [1, 2]], videos=[1, 2], texts=[1, 2])
    pool = replace(pool, images=pool.images[:1].expand(53, 1, 5), text=pool.text[:1].expand(2, 5))
    each = []
    for valid in ([True, False], [False, True]):
        one = replace(pool, valid=torch.tensor(valid))
        each.append(float(loss_sum(1, one, scalar(2.0), scalar(0.0))[0]))
    z = 2.0 * float(cosines(pool)[0])
    shares = ((1, 50), (1, 1))
    expected = [
        (t * math.log1p(math.exp(-z)) + n * math.log1p(math.exp(z))) / (t + n) for t, n in shares
    ]
    assert each == pytest.approx(expected)


@pytest.mark.parametrize("setting", OF_POOL)
def test_a_question_alone_has_nothing_to_be_compared_with(setting: int) -> None:
    pool = draw_pool(0, questions=1, negatives=0)
    loss = float(loss_sum(setting, pool, scalar(100.0), scalar(0.0))[0])
    assert loss == pytest.approx(by_loops(setting, pool, 100.0, 0.0))
    assert setting == 4 or loss == 0


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


def test_the_gradient_goes_through_the_best_tile_alone() -> None:
    pool = draw_pool(3, 4, 2, tiles=5, masked=False)
    images = pool.images.clone().requires_grad_()
    pool = replace(pool, images=images)
    torch.autograd.backward(cosines(pool).sum())
    assert images.grad is not None
    best = (pool.text[pool.owners][:, None] * pool.images).sum(-1).argmax(-1)  # (C,)
    touched = images.grad.abs().sum(-1) > 0  # (C, T)
    assert (touched.sum(-1) == 1).all()
    assert (touched.int().argmax(-1) == best).all()


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**31), st.sampled_from(SETTINGS))
def test_joined_and_padded_pools_keep_their_loss(seed: int, setting: int) -> None:
    first, second = draw_pool(seed, 3, 1, tiles=3), draw_pool(seed + 1, 4, 4, tiles=2)
    assert first.evidence is not None
    assert second.evidence is not None
    moved = second.evidence + pair_keys(torch.tensor(4), torch.tensor(28))
    known = torch.unique(torch.cat([first.evidence, moved]))
    first = replace(first, evidence=known)
    second = replace(
        second,
        video_ids=second.video_ids + 4,
        text_ids=second.text_ids + 4,
        frame_ids=second.frame_ids + 28,
        evidence=known,
    )
    joined = join_pools([first, second])
    size = len(first.owners) + len(second.owners)
    assert joined.images.shape == (size, 3, 5)
    expected = by_loops(setting, joined, 10.0, -1.0)
    loss, _ = loss_sum(setting, pad(joined, 9, size + 3, 4), scalar(10.0), scalar(-1.0))
    assert float(loss) == pytest.approx(expected)
    if setting not in OF_POOL:  # the others have nothing to do with the rest of the pool
        alone = by_loops(setting, first, 10.0, -1.0) + by_loops(setting, second, 10.0, -1.0)
        assert float(loss) == pytest.approx(alone)


@settings(max_examples=50, deadline=None)
@given(pools, st.floats(1, 100))
def test_bias_1_predicts_the_share_of_positives(pool: Pool, scale: float) -> None:
    """Each question counts once in both."""
    bias = load_loss(1).initial_bias(pool, scale)
    predicted, shares = [], []
    for row in torch.unique(pool.owners[pool.there()]):
        own = pool.pairs() & (pool.owners == row)
        predicted.append(float(torch.sigmoid(scale * cosines(pool)[own] + bias).mean()))
        shares.append(1 / int(own.sum()))
    share = min(max(np.mean(shares), 0.01), 0.99)
    assert np.mean(predicted) == pytest.approx(share, abs=1e-9)


@settings(max_examples=50, deadline=None)
@given(pools, st.floats(1, 100))
def test_bias_4_predicts_the_share_of_true_pairs_of_the_whole_pool(
    pool: Pool, scale: float
) -> None:
    bias = load_loss(4).initial_bias(pool, scale)
    kept = torch.tensor(kept_by(pool)[0], dtype=torch.bool) & pool.valid[:, None]
    logits = scale * (pool.text[:, None, None] * pool.images).sum(-1).amax(-1)  # (B, C)
    share = min(float(pool.valid.sum() / kept.sum()), 0.99)
    assert float(torch.sigmoid(logits[kept] + bias).mean()) == pytest.approx(share, abs=1e-9)


def test_biases_at_scale_100_and_usual_cosines() -> None:
    def pool_of(similarity: Tensor) -> Pool:
        questions, frames = similarity.shape
        return Pool(
            text=torch.tensor([[1.0, 0.0]]).expand(questions, 2),
            images=torch.stack([similarity.flatten(), torch.zeros(similarity.numel())], -1)[
                :, None
            ],
            **columns(np.full(questions, frames)),
            frame_ids=torch.arange(similarity.numel()),
            video_ids=torch.arange(questions),
            text_ids=torch.arange(questions),
        )

    similarity = torch.linspace(0.15, 0.30, 512).view(256, 2)
    pool = pool_of(similarity)
    assert load_loss(1).initial_bias(pool, 100.0) == pytest.approx(-22.5, abs=0.1)
    many = torch.linspace(0.15, 0.30, 64 * 400).view(64, 400)
    few = load_loss(1).initial_bias(pool_of(many), 100.0)
    predicted = torch.sigmoid(100 * many.double() + few).mean()
    assert float(predicted) == pytest.approx(0.01)  # 1 in 400, clamped
    half = replace(pool, valid=torch.arange(256) < 128)
    expected = -100 * float(similarity[:128, 0].mean())
    assert load_loss(2).initial_bias(half, 100.0) == pytest.approx(expected)
    assert load_loss(3).initial_bias(pool, 100.0) == 0
    assert columns_of(pool)["evidence"] is None
