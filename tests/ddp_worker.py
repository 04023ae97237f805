"""A tiny CLIP with a pool of questions, and what two processes make of it.

`torchrun --nproc_per_node 2 -m tests.ddp_worker REPORT.json` runs every case on both processes,
and writes how far their gradients, and ten steps of AdamW, are from one process's.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
from accelerate import Accelerator
from accelerate.utils import InitProcessGroupKwargs
from torch import Tensor, nn
from torch.nn.functional import normalize
from transformers import CLIPConfig, CLIPModel

from train.batches import columns
from train.grad_cache import MicroBatch, StepReport, encode, out_of_ddp, pool_gradient
from train.losses.base import load_loss
from train.losses.pool import join_pools, pair_keys

SETTINGS: tuple[int, ...] = (1, 2, 3, 4)
PAD = -1
"""Stands for a question without a readable true frame."""
EVIDENCE = pair_keys(torch.tensor([3, 4]), torch.tensor([6 * 7, 6 * 4 + 2]))
"""The true frame of question 7 shows what text 3 asks, and a negative of question 4 its own."""


class TinyEncoder(nn.Module):
    """A random CLIP of two small towers, with the forward that train/grad_cache.py asks for."""

    def __init__(self, dropout: float = 0.0) -> None:
        super().__init__()
        layers = {
            "hidden_size": 16,
            "intermediate_size": 32,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "attention_dropout": dropout,
        }
        text = {
            "vocab_size": 64,
            "max_position_embeddings": 8,
            "bos_token_id": 62,
            "eos_token_id": 63,
        }
        config = CLIPConfig(
            text_config=layers | text,
            vision_config=layers | {"image_size": 8, "patch_size": 4},
            projection_dim=8,
        )
        torch.manual_seed(0)
        self.clip = CLIPModel(config)
        self.logit_bias = nn.Parameter(torch.tensor(-3.0))

    def forward(
        self, tokens: dict[str, Tensor] | None, pixel_values: Tensor | None
    ) -> tuple[Tensor | None, Tensor | None]:
        text = images = None
        if tokens is not None:
            out = self.clip.get_text_features(**tokens)
            text = normalize(out.pooler_output.float(), dim=-1)
        if pixel_values is not None:
            out = self.clip.get_image_features(pixel_values=pixel_values)
            images = normalize(out.pooler_output.float(), dim=-1)
        return text, images


def micro_batch(questions: Sequence[int], frames: int = 6, tiles: int = 1) -> MicroBatch:
    """The questions of these numbers; number q has q mod 6 negatives, of at most frames - 1.

    Two of the three questions on a video have an equal first negative, if they have any.
    """
    input_ids, pixel_values, ids, counts = [], [], [], []
    for question in questions:
        generator = torch.Generator().manual_seed(question + 1)
        words = torch.randint(62, (7,), generator=generator)
        input_ids.append(torch.cat([words, torch.tensor([63])]))
        count = 0 if question == PAD else 1 + min(question % 6, frames - 1)
        own = [6 * question + place for place in range(count)]
        if count > 1 and question % 3:
            own[1] = 1000 + question // 3
        for frame in own:
            drawn = torch.Generator().manual_seed(frame + 1)
            pixel_values.append(torch.randn(3, 3, 8, 8, generator=drawn)[:tiles])
        counts.append(count)
        ids += own
    number = torch.tensor(questions)
    if not ids:
        ids, pixel_values = [-1], [torch.zeros(tiles, 3, 8, 8)]
    return MicroBatch(
        tokens={
            "input_ids": torch.stack(input_ids),
            "attention_mask": torch.ones(len(questions), 8, dtype=torch.int64),
        },
        pixel_values=torch.cat(pixel_values),
        tiles=tiles,
        **columns(np.array(counts)),
        frame_ids=torch.tensor(ids),
        video_ids=number // 3,
        text_ids=number % 7,
        evidence=EVIDENCE,
    )


def with_windows(batch: MicroBatch, seed: int = 0) -> MicroBatch:
    """The batch with one to three windows of each question's text."""
    generator = torch.Generator().manual_seed(seed)
    windows = [1 + int(number) % 3 for number in batch.text_ids]
    words = torch.randint(62, (sum(windows), 7), generator=generator)
    ids = torch.cat([words, torch.full((len(words), 1), 63)], dim=1)
    tokens = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    return replace(batch, tokens=tokens, windows=windows)


def flat_gradient(module: nn.Module) -> Tensor:
    """The whole gradient as one vector, in the order of the parameters, 0 where there is none."""
    gradients = [p.grad if p.grad is not None else torch.zeros_like(p) for p in module.parameters()]
    return torch.cat([gradient.flatten() for gradient in gradients])


def distance(a: Tensor, b: Tensor) -> float:
    """Relative to `b`, of vectors as a whole."""
    return float((a - b).norm() / b.norm())


def plain_gradient(
    encoder: TinyEncoder, batches: Sequence[MicroBatch], setting: int
) -> tuple[Tensor, float]:
    """Gradient and loss of the whole pool in one graph, in one process."""
    encoder.zero_grad()
    pool = join_pools([encode(encoder, batch) for batch in batches])
    scale = encoder.clip.logit_scale.exp()
    loss = load_loss(setting).sum(pool, scale, encoder.logit_bias, 0, 1)[0] / pool.valid.sum()
    torch.autograd.backward(loss)
    return flat_gradient(encoder), loss.item()


def step_gradient(
    encoder: TinyEncoder,
    batches: Sequence[MicroBatch],
    setting: int,
    module: nn.Module | None = None,
    rank: int = 0,
    world_size: int = 1,
    backward: Callable[[Tensor], object] = torch.autograd.backward,
) -> tuple[Tensor, StepReport]:
    """The same by `pool_gradient`."""
    encoder.zero_grad()
    report = pool_gradient(
        module or encoder,
        batches,
        load_loss(setting),
        encoder.clip.logit_scale,
        encoder.logit_bias,
        rank=rank,
        world_size=world_size,
        backward=backward,
    )
    return flat_gradient(encoder), report


def freeze(encoder: TinyEncoder, learns: str = "") -> None:
    """Let only parameters whose name holds `learns` ("text", "vis", "" for all) and scale learn.

    Never the keys' biases: softmax does not see them, so their gradient is rounding noise, which
    AdamW makes into whole steps: in ten steps of this model 1 to 3 % of the distance moved.
    """
    for name, parameter in encoder.clip.named_parameters():
        learning = learns in name and not name.endswith("k_proj.bias")
        parameter.requires_grad_(learning or name == "logit_scale")


def from_index(encoder: TinyEncoder, batch: MicroBatch) -> MicroBatch:
    """The batch with its frames as half-precision vectors, as an index has them."""
    with torch.no_grad():
        images = encode(encoder, batch).images.half()
    return replace(batch, pixel_values=None, images=images)


def cases() -> dict[str, tuple[list[MicroBatch], list[MicroBatch]]]:
    """Micro-batches of process 0 and of process 1."""
    return {
        "even": (
            [micro_batch(range(4)), micro_batch(range(4, 8))],
            [micro_batch(range(8, 12)), micro_batch(range(12, 16))],
        ),
        "incomplete": (
            [micro_batch([0, 1, 2]), micro_batch([3, 4, 5])],
            [micro_batch([6, 7, PAD]), micro_batch([PAD, PAD, PAD])],
        ),
        "fewer and narrower": (
            [micro_batch([0, 1]), micro_batch([2, 3], frames=4), micro_batch([4, 5])],
            [micro_batch([6, 7, 8], frames=2)],
        ),
        "tiles": (
            [micro_batch([0, 1], tiles=3), micro_batch([2, 3], frames=4), micro_batch([4, PAD])],
            [micro_batch([6, 7, 8], frames=2, tiles=2)],
        ),
        "tiles, no cache": ([micro_batch(range(5))], [micro_batch([5, 6, 7, PAD], tiles=3)]),
        "windows": (
            [with_windows(micro_batch(range(4))), micro_batch(range(4, 8))],
            [micro_batch([8, 9, PAD]), with_windows(micro_batch(range(12, 16)), 1)],
        ),
        "no cache": ([micro_batch(range(5))], [micro_batch([5, 6, 7, PAD])]),
    }


def main(report_path: Path) -> None:
    """Run every case and write the relative errors."""
    patience = InitProcessGroupKwargs(timeout=timedelta(seconds=60))  # a deadlock ends the run
    accelerator = Accelerator(kwargs_handlers=[patience])
    rank, world_size = accelerator.process_index, accelerator.num_processes
    assert world_size == 2
    errors: dict[str, float] = {}

    def prepared(encoder: TinyEncoder) -> nn.Module:
        with out_of_ddp(encoder.clip.logit_scale, encoder.logit_bias):
            module = accelerator.prepare_model(encoder)
        assert isinstance(module, nn.parallel.DistributedDataParallel)
        return module

    def compare(name: str, learns: str, shares: Sequence[list[MicroBatch]]) -> None:
        alone, together = TinyEncoder(), TinyEncoder()
        freeze(alone, learns)
        freeze(together, learns)
        module = prepared(together)
        for setting in SETTINGS:
            expected, loss = plain_gradient(alone, [*shares[0], *shares[1]], setting)
            gradient, report = step_gradient(
                together, shares[rank], setting, module, rank, world_size, accelerator.backward
            )
            errors[f"{name}, loss {setting}"] = distance(gradient, expected)
            errors[f"{name}, value of loss {setting}"] = abs(report.loss / loss - 1)

    for name, shares in cases().items():
        compare(name, "", shares)
    even = cases()["even"]
    compare("vision alone", "vis", even)
    encoder = TinyEncoder()
    cached = [[from_index(encoder, batch) for batch in share] for share in even]
    compare("text alone, from an index", "text", cached)
    cached = [[from_index(encoder, batch) for batch in share] for share in cases()["tiles"]]
    compare("text alone, from an index of tiles", "text", cached)

    for setting in SETTINGS:
        alone, together = TinyEncoder(), TinyEncoder()
        freeze(alone)
        freeze(together)
        start = nn.utils.parameters_to_vector(alone.parameters()).detach()
        module = prepared(together)
        ours, theirs = (torch.optim.AdamW(each.parameters(), 1e-3) for each in (together, alone))
        for _ in range(5):
            for share in (cases()["incomplete"], even):
                step_gradient(together, share[rank], setting, module, rank, world_size)
                ours.step()
                step_gradient(alone, [*share[0], *share[1]], setting)
                theirs.step()
        ends = [nn.utils.parameters_to_vector(each.parameters()) for each in (together, alone)]
        apart = (ends[0] - ends[1]).norm() / (ends[1] - start).norm()
        errors[f"ten steps, loss {setting}"] = apart.item()

    if accelerator.is_main_process:
        report_path.write_text(json.dumps(errors))
    dist.destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
