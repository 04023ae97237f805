"""One step's gradient by cache, accumulation and processes against the whole pool in one graph."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from tests.ddp_worker import (
    PAD,
    SETTINGS,
    TinyEncoder,
    distance,
    flat_gradient,
    freeze,
    from_index,
    micro_batch,
    plain_gradient,
    step_gradient,
    with_windows,
)
from tests.paths import ROOT
from train.batches import columns
from train.grad_cache import MicroBatch, encode, encode_pool, out_of_ddp, pool_gradient
from train.losses.base import load_loss


def micro_batches(questions: int, size: int) -> list[MicroBatch]:
    return [micro_batch(range(first, first + size)) for first in range(0, questions, size)]


@pytest.fixture(scope="module")
def two_processes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, float]:
    """Relative errors of two processes against one, by case."""
    report = tmp_path_factory.mktemp("ddp") / "report.json"
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    done = subprocess.run(
        [*launch, "-m", "tests.ddp_worker", str(report)],
        cwd=ROOT,
        env=os.environ | {"ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr
    errors: dict[str, float] = json.loads(report.read_text())
    return errors


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize(
    "case",
    [
        "even",
        "incomplete",
        "fewer and narrower",
        "windows",
        "no cache",
        "tiles",
        "tiles, no cache",
        "vision alone",
        "text alone, from an index",
        "text alone, from an index of tiles",
    ],
)
def test_two_processes_give_the_gradient_of_one(
    two_processes: dict[str, float], case: str, setting: int
) -> None:
    assert two_processes[f"{case}, loss {setting}"] <= 1e-5
    assert two_processes[f"{case}, value of loss {setting}"] <= 1e-5


@pytest.mark.parametrize("setting", SETTINGS)
def test_two_processes_stay_together_for_ten_steps(
    two_processes: dict[str, float], setting: int
) -> None:
    assert two_processes[f"ten steps, loss {setting}"] <= 1e-2


@pytest.mark.parametrize("size", [64, 16, 4])
def test_a_pool_of_64_has_one_gradient_however_it_is_cut(size: int) -> None:
    encoder = TinyEncoder()
    expected, loss = plain_gradient(encoder, micro_batches(64, 64), 3)
    gradient, report = step_gradient(encoder, micro_batches(64, size), 3)
    assert distance(gradient, expected) <= 1e-5
    assert report.loss == pytest.approx(loss, rel=1e-5)


def plain_best(encoder: TinyEncoder, batch: MicroBatch) -> Tensor:
    """The text vectors of a batch with windows, question by question."""
    text, images = encoder(batch.tokens, batch.pixel_values)
    assert text is not None
    assert images is not None
    assert batch.windows
    true = images[batch.is_true]
    own = torch.split(text, list(batch.windows))
    return torch.stack([w[(w @ frame).argmax()] for w, frame in zip(own, true, strict=True)])


def test_the_window_that_fits_the_true_frame_best_is_the_text() -> None:
    encoder = TinyEncoder()
    batch = with_windows(micro_batch(range(9)))
    found = encode(encoder, batch).text
    assert torch.equal(found, plain_best(encoder, batch))
    assert batch.windows
    first = torch.tensor([0, *batch.windows[:-1]]).cumsum(0)
    assert not torch.equal(found, encoder(batch.tokens, None)[0][first])
    short = micro_batch(range(9))
    ones = replace(short, windows=[1] * 9)
    assert torch.equal(encode(encoder, ones).text, encode(encoder, short).text)


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("learns", ["", "text", "vis"])
def test_long_texts_have_one_gradient_however_the_pool_is_cut(setting: int, learns: str) -> None:
    encoder = TinyEncoder(dropout=0.0)
    freeze(encoder, learns)
    batches = [with_windows(micro_batch(range(n, n + 4)), n) for n in range(0, 12, 4)]
    expected, _ = plain_gradient(encoder, batches, setting)
    gradient, _ = step_gradient(encoder, batches, setting)
    assert distance(gradient, expected) <= 1e-5


def test_a_pool_differs_from_accumulated_small_pools() -> None:
    encoder = TinyEncoder()
    expected, _ = plain_gradient(encoder, micro_batches(16, 16), 3)
    parts = [plain_gradient(encoder, [batch], 3)[0] for batch in micro_batches(16, 4)]
    assert distance(torch.stack(parts).mean(0), expected) > 0.1


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("learns", ["", "text", "vis"])
def test_padding_and_frozen_towers_are_exact(setting: int, learns: str) -> None:
    encoder = TinyEncoder()
    freeze(encoder, learns)
    expected, _ = plain_gradient(encoder, [micro_batch(range(8))], setting)
    batches = [micro_batch([0, 1, PAD]), micro_batch(range(2, 8)), micro_batch([PAD, PAD])]
    gradient, report = step_gradient(encoder, batches, setting)
    assert distance(gradient, expected) <= 1e-5
    assert (report.positives, report.negatives) == (8, 15)  # and one that is evidence
    assert (report.masked > 1) == (setting > 2)
    assert report.finite.shape == (11,)


@pytest.mark.parametrize("setting", SETTINGS)
def test_second_pass_draws_the_dropout_of_the_first(setting: int) -> None:
    encoder = TinyEncoder(dropout=0.5)
    torch.manual_seed(1)
    expected, _ = plain_gradient(encoder, micro_batches(12, 4), setting)
    after = torch.rand(1)
    torch.manual_seed(1)
    gradient, _ = step_gradient(encoder, micro_batches(12, 4), setting)
    assert distance(gradient, expected) <= 1e-5
    assert torch.equal(torch.rand(1), after)
    other, _ = step_gradient(encoder, micro_batches(12, 4), setting)
    assert distance(other, expected) > 1e-2


class Counting(TinyEncoder):
    """Records for each forward: whether with graph, questions, frames."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[bool, int, int]] = []

    def forward(
        self, tokens: dict[str, Tensor] | None, pixel_values: Tensor | None
    ) -> tuple[Tensor | None, Tensor | None]:
        questions = 0 if tokens is None else len(tokens["input_ids"])
        frames = 0 if pixel_values is None else len(pixel_values)
        self.seen.append((torch.is_grad_enabled(), questions, frames))
        return super().forward(tokens, pixel_values)


def test_nothing_is_encoded_that_need_not_be() -> None:
    def seen(
        setting: int, batches: list[MicroBatch], learns: str = ""
    ) -> list[tuple[bool, int, int]]:
        encoder = Counting()
        freeze(encoder, learns)
        step_gradient(encoder, batches, setting)
        return encoder.seen

    three, one = micro_batches(12, 4), micro_batches(4, 4)
    frames = (10, 14, 18)
    assert seen(1, three) == seen(2, three) == [(True, 4, n) for n in frames]
    assert seen(3, one) == [(True, 4, 10)]
    first = [(True, 4, 10), (False, 4, 14), (False, 4, 18)]
    assert seen(3, three) == seen(4, three) == first + [(True, 4, n) for n in frames]
    assert seen(3, three, "text") == first + [(True, 4, 0)] * 3
    assert seen(3, three, "vis") == first + [(True, 0, n) for n in frames]
    indexed = [from_index(TinyEncoder(), batch) for batch in three]
    assert [frames for _, _, frames in seen(3, indexed, "text")] == [0] * 6


@pytest.mark.parametrize("setting", SETTINGS)
def test_a_loss_scaler_scales_every_gradient_once(setting: int) -> None:
    encoder = TinyEncoder()
    expected, _ = step_gradient(encoder, micro_batches(8, 4), setting)
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)

    def backward(loss: Tensor) -> None:
        torch.autograd.backward(scaler.scale(loss))

    gradient, _ = step_gradient(encoder, micro_batches(8, 4), setting, backward=backward)
    assert distance(gradient / 1024, expected) <= 1e-6


@pytest.mark.parametrize("setting", SETTINGS)
def test_bf16_autocast_around_forward(setting: int, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = TinyEncoder()
    expected, _ = step_gradient(encoder, micro_batches(8, 4), setting)
    monkeypatch.setattr(
        encoder, "forward", torch.autocast("cpu", dtype=torch.bfloat16)(encoder.forward)
    )
    gradient, report = step_gradient(encoder, micro_batches(8, 4), setting)
    assert 0 < distance(gradient, expected) < 0.1
    assert report.finite.all()


def test_gradients_add_to_those_already_there() -> None:
    encoder = TinyEncoder()
    once, _ = step_gradient(encoder, micro_batches(8, 4), 1)
    pool_gradient(
        encoder, micro_batches(8, 4), load_loss(1), encoder.clip.logit_scale, encoder.logit_bias
    )
    assert distance(flat_gradient(encoder), 2 * once) <= 1e-6


def test_report_names_questions_without_finite_vectors() -> None:
    encoder = TinyEncoder()
    batches = micro_batches(8, 4)
    assert batches[1].pixel_values is not None
    batches[1].pixel_values[5] = torch.nan  # the true frame of question 5
    _, report = step_gradient(encoder, batches, 3)
    assert math.isnan(report.loss)
    assert report.finite.tolist() == [number != 5 for number in range(8)]


def test_a_step_of_padding_alone_is_refused() -> None:
    with pytest.raises(ValueError, match="without questions"):
        step_gradient(TinyEncoder(), [micro_batch([PAD, PAD])], 3)


def test_out_of_ddp_gives_back_what_learns() -> None:
    encoder = TinyEncoder()
    parameters = [encoder.clip.logit_scale, encoder.logit_bias.requires_grad_(False)]
    with out_of_ddp(encoder.clip.logit_scale, encoder.logit_bias):
        assert [each.requires_grad for each in parameters] == [False, False]
    assert [each.requires_grad for each in parameters] == [True, False]


class Vectors(nn.Module):
    """Learns a vector for every text and frame; inputs are their numbers."""

    def __init__(self, questions: int, frames: int) -> None:
        super().__init__()
        width, generator = 4096, torch.Generator().manual_seed(0)
        vectors = normalize(torch.randn(questions + frames, width, generator=generator), dim=-1)
        vectors[:, 0] = (0.225 / (1 - 0.225)) ** 0.5  # so that cosines are 0.225 ± 0.012
        self.text = nn.Parameter(normalize(vectors[:questions], dim=-1))
        self.images = nn.Parameter(normalize(vectors[questions:], dim=-1))

    def forward(self, tokens: dict[str, Tensor], pixel_values: Tensor) -> tuple[Tensor, Tensor]:
        text = normalize(self.text[tokens["input_ids"]], dim=-1)
        return text, normalize(self.images[pixel_values], dim=-1)


@pytest.mark.parametrize("setting", SETTINGS)
def test_thirty_steps_at_scale_100_lower_the_loss(setting: int) -> None:
    module = Vectors(questions=16, frames=32)
    number = torch.arange(8)
    batches = [
        MicroBatch(
            tokens={"input_ids": first + number},
            pixel_values=2 * first + torch.arange(16),
            **columns(np.full(8, 2)),
            frame_ids=2 * first + torch.arange(16),
            video_ids=first + number,
            text_ids=first + number,
        )
        for first in (0, 8)
    ]
    pool = encode_pool(module, batches)
    similarity = pool.text @ pool.images.flatten(0, 1).T
    assert 0.15 < similarity.min() < similarity.max() < 0.30
    logit_scale = torch.tensor(100.0).log().requires_grad_()
    bias = torch.tensor(load_loss(setting).initial_bias(pool, 100.0))
    logit_bias = bias.requires_grad_(setting in (1, 4))
    optimizer = torch.optim.AdamW([*module.parameters(), logit_scale, logit_bias], lr=1e-5)
    losses = []
    for _ in range(31):
        optimizer.zero_grad()
        report = pool_gradient(module, batches, load_loss(setting), logit_scale, logit_bias)
        losses.append(report.loss)
        optimizer.step()
        with torch.no_grad():
            logit_scale.clamp_(max=torch.tensor(100.0).log())
    assert losses[-1] <= 0.8 * losses[0], losses


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("tiles", [1, 3])
def test_equal_frames_of_a_micro_batch_can_be_encoded_once(setting: int, tiles: int) -> None:
    encoder = TinyEncoder()
    batches = [micro_batch(range(n, n + 6), tiles=tiles) for n in (0, 6)]
    expected, _ = step_gradient(encoder, batches, setting)
    once = [distinct(batch) for batch in batches]
    assert sum(int(batch.places.max()) + 1 for batch in once if batch.places is not None) < sum(
        len(batch.owners) for batch in batches
    )
    gradient, _ = step_gradient(encoder, once, setting)
    assert distance(gradient, expected) <= 1e-5


def distinct(batch: MicroBatch) -> MicroBatch:
    """The batch with each distinct frame once."""
    assert batch.pixel_values is not None
    pixels = batch.pixel_values.view(-1, batch.tiles, 3, 8, 8)
    _, first, places = np.unique(batch.frame_ids, return_index=True, return_inverse=True)
    return replace(
        batch,
        pixel_values=pixels[torch.from_numpy(first)].flatten(0, 1),
        places=torch.from_numpy(places),
    )
