"""Setup of a training run before its first step: questions, model, optimizer, batch loader."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
import xxhash
from accelerate import Accelerator, PartialState
from torch import nn
from torch.optim.lr_scheduler import LambdaLR

from index.errors import CueframeError
from index.messages import say
from index.models.dual_model import DualModel
from index.models.encoder import Encoder
from index.resume import deciding
from infer.query_encoder import print_long_texts
from train.batches import BatchLoader, MinedBatches, TokenizedTexts, epoch_order
from train.config import FREE, TrainConfig
from train.grad_cache import encode_pool, out_of_ddp
from train.index_batches import IndexBatches, OpenIndex, open_index, print_distances
from train.inputs import accelerator_of, data_of, encoder_of, pictures_folder, view_of
from train.losses.base import Loss, load_loss
from train.losses.pool import gather_pool
from train.model import (
    DualEncoder,
    choose_what_learns,
    load_dual_model_to_train,
    tower_groups,
)
from train.model_card import versions
from train.run_length import planned_steps
from train.schedule import warm_up_and_cosine
from train.split import Example
from train.tune import Tower
from train.validate import try_judge

FIRST_QUESTIONS = 256
"""Number of questions from which the bias is computed before the first step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """The objects of a run; the same on every process except for `accelerator` and `judge`."""

    accelerator: Accelerator
    train_list: list[Example]
    val_list: list[Example]
    index: OpenIndex | None
    step_size: int
    """Questions of all processes in one step; the last of an epoch may have fewer."""
    steps_per_epoch: int
    steps: int
    """In all; the last epoch may have fewer than the others."""
    model: DualEncoder
    module: nn.Module
    """The prepared (wrapped) model: encode with this one."""
    encoder: Encoder
    """An `index.models.encoder.Encoder` with the same weights."""
    learning: list[nn.Parameter]
    optimizer: Any
    scheduler: LambdaLR
    loader: BatchLoader
    loss: Loss
    judge: str
    """Name of the judge of the last validation; "none" if unavailable."""
    versions: dict[str, str]

    @property
    def epochs(self) -> int:
        """Passes over the questions, with the last one, which may be incomplete."""
        return -(-self.steps // self.steps_per_epoch)


def set_up(config: TrainConfig) -> Run:
    """Load and prepare everything; every process calls this.

    Raises:
        CueframeError: Unusable questions, frames, model or index, or too few questions.
    """
    accelerator = accelerator_of(config)
    index = open_index(config.index) if config.index else None
    train_list, val_list = data_of(config, index)
    processes = accelerator.num_processes
    step_size = config.batch_size * config.accumulation_steps * processes
    if len(train_list) < step_size:
        raise CueframeError(
            f"{len(train_list)} questions to train on are fewer than one step of {step_size} "
            f"(--batch_size {config.batch_size} × --accumulation_steps {config.accumulation_steps} "
            f"× {processes} processes); lower --accumulation_steps or --batch_size"
        )
    steps_per_epoch = -(-len(train_list) // step_size)
    steps = planned_steps(config, steps_per_epoch)

    loss = load_loss(config.loss_setting)
    dual = load_dual_model_to_train(config.model, view_of(config, index))
    model = DualEncoder(dual)
    choose_what_learns(model, config.tune, loss)
    if config.lora_rank:
        model.add_lora(config.lora_rank, config.lora_alpha, save_adapter=config.save_adapter)
    if config.gradient_checkpointing:
        dual.keep_no_activations()
    rates: dict[Tower, float | None] = {"vision": config.lr_vision, "text": config.lr_text}
    groups = tower_groups(model, config.weight_decay, rates)
    # Fused: one pass over the weights. With a loss scaler Accelerate could not detect a skip.
    optimizer = torch.optim.AdamW(groups, lr=config.lr, fused=accelerator.scaler is None)
    scheduler = warm_up_and_cosine(optimizer, steps, config.warmup_ratio)
    with out_of_ddp(model.logit_scale, model.logit_bias):
        module, prepared = accelerator.prepare(model, optimizer)
    accelerator.register_for_checkpointing(scheduler)
    encoder = encoder_of(dual, index)
    return Run(
        accelerator=accelerator,
        train_list=train_list,
        val_list=val_list,
        index=index,
        step_size=step_size,
        steps_per_epoch=steps_per_epoch,
        steps=steps,
        model=model,
        module=module,
        encoder=encoder,
        learning=[parameter for group in groups for parameter in group["params"]],
        optimizer=prepared,
        scheduler=scheduler,
        loader=_loader(config, train_list, encoder, index, accelerator),
        loss=loss,
        judge=try_judge(config.judge) if val_list and accelerator.is_main_process else "none",
        versions=versions(),
    )


def _loader(
    config: TrainConfig,
    train_list: list[Example],
    encoder: Encoder,
    index: OpenIndex | None,
    accelerator: Accelerator,
) -> BatchLoader:
    texts = TokenizedTexts(encoder.model, train_list, config.long_text, config.seed)
    if accelerator.is_main_process:
        print_long_texts(texts.too_long, config.long_text, encoder.model.max_tokens)
        _say_read_by_another(encoder.model, train_list)
    pictures = pictures_folder(config)
    if index is None:
        assert pictures  # `train.split.split_data` has looked
        return MinedBatches(
            train_list,
            texts,
            encoder.transform,
            image_path=config.image_path,
            pictures=pictures,
            batch_size=config.batch_size,
            negatives=config.negatives_per_question,
            guard_s=config.guard_s,
            seed=config.seed,
            num_workers=config.num_workers,
            device=accelerator.device,
            state=PartialState(),
        )
    loader = IndexBatches(
        train_list,
        texts,
        index,
        guard_s=config.guard_s,
        seed=config.seed,
        device=accelerator.device,
    )
    if accelerator.is_main_process:
        print_distances(loader.distances_s, index.profile.fps)
    return loader


def _say_read_by_another(model: DualModel, train_list: list[Example]) -> None:
    """Say how many questions train a text side by which such a question is not asked."""
    others = sum(map(bool, model.side_of_texts([one["caption"] for one in train_list])))
    if others:
        say(
            f"warning: {others} of {len(train_list)} questions to train on are in the language "
            f"that {model.name} sends to its teacher; they train its student, which is not asked "
            "in it"
        )


def set_initial_bias(config: TrainConfig, run: Run) -> None:
    """Set the logits' bias from the pairs of the run's first questions, over all processes.

    A loss that goes on from the model's own leaves that as it is.
    """
    if run.loss.bias == "own" and run.model.dual.bias is not None:
        return
    rank, world_size = run.accelerator.process_index, run.accelerator.num_processes
    first = epoch_order(len(run.train_list), config.seed, 0)[:FIRST_QUESTIONS]
    with closing(run.loader.steps(0, [first[rank::world_size]])) as steps:
        batches = next(steps)
    pool = gather_pool(encode_pool(run.module, batches), world_size)
    if not pool.valid.any():
        raise CueframeError(
            f"no true frame of the first {len(first)} questions can be read; mine the frames anew "
            "with train/mine.py"
        )
    scale = run.model.logit_scale.exp().item()
    run.model.logit_bias.data.fill_(run.loss.initial_bias(pool, scale))


def settings_of(config: TrainConfig, run: Run) -> dict[str, Any]:
    """Return the settings that determine a run's result, as JSON values."""
    return deciding(config, FREE) | {
        "--mixed-precision": run.accelerator.mixed_precision,
        "processes": run.accelerator.num_processes,
        "the data": data_fingerprint(run.train_list, run.val_list),
        "the pictures": run.loader.fingerprint(),
        "--index": run.index.profile.key if run.index else None,
        # Older runs chose the best model and reported on it by the same videos.
        "validation": "by halves" if run.val_list else None,
    }


def json_values(config: TrainConfig) -> dict[str, Any]:
    """Return the configuration as JSON values."""
    return {
        name: str(value) if isinstance(value, Path) else value
        for name, value in asdict(config).items()
    }


def data_fingerprint(train_list: list[Example], val_list: list[Example]) -> str:
    """Digest questions, texts, labels, contents of videos, split and names of the pictures."""
    digest = xxhash.xxh3_128()
    for side in (train_list, val_list):
        for one in side:
            question = one["question"]
            # Only where there are any, so that older runs may go on.
            optional = (
                question.scenes,
                question.span_s,
                question.negative_frames,
                one["paraphrases"],
            )
            more = [label for label in optional if label]
            labels = (question.support_frames, question.support_ranges, *more)
            folders = [Path(folder) for folder in (one["pos_path"], one["neg_path"]) if folder]
            pictures = [sorted(p.name for p in folder.glob("*.*")) for folder in folders]
            known = [one["id"], one["caption"], one["content_hash"], labels, pictures]
            digest.update(json.dumps(known).encode())
        digest.update(b"|")
    return digest.hexdigest()
