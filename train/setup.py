"""All that a run needs before its first step: questions, model, optimizer, and their order.

1+N: frames of a question, W: processes.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
import xxhash
from accelerate import Accelerator
from accelerate.utils import parse_flag_from_env
from torch import nn
from torch.optim.lr_scheduler import LambdaLR

from index.encoder import Encoder, vision_fingerprint
from index.errors import CueframeError
from index.view import view_of
from infer.indexed import refuse_other_vision
from train.batches import MinedFrames, Source, Texts, epoch_order
from train.cached import CachedFrames, OpenIndex, open_index, tell_distances
from train.config import TrainConfig
from train.data import Example, load_data
from train.losses import cosines, gather_pool, initial_bias
from train.model import (
    DualEncoder,
    choose_what_learns,
    load_model_to_train,
    parameter_groups,
    save_memory,
)
from train.schedule import warm_up_and_cosine
from train.step import encode_pool, out_of_ddp
from train.telling import say
from train.validate import refuse_missing_videos

FIRST_QUESTIONS = 256
"""Of which the bias is reckoned before the first step."""
_FREE = (
    *("json_path", "image_path", "video_path", "output_path", "index", "only_test", "resume"),
    *("save_every", "keep", "tracker", "judge", "num_workers", "gradient_checkpointing"),
)
"""Flags that may differ when a run goes on; what is in the paths is compared by content."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What a run works with; the same on every process but for `accelerator`."""

    accelerator: Accelerator
    train_list: list[Example]
    val_list: list[Example]
    index: OpenIndex | None
    step_size: int
    """Questions of all processes in one step; the last of an epoch may have fewer."""
    steps_per_epoch: int
    steps: int
    model: DualEncoder
    module: nn.Module
    """The model, as prepared: encode with this one."""
    processor: Any
    encoder: Encoder
    """The same weights as the index's floor uses them."""
    learning: list[nn.Parameter]
    optimizer: Any
    scheduler: LambdaLR
    source: Source


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
    steps = config.epochs * steps_per_epoch

    clip, processor = load_model_to_train(config.model)
    model = DualEncoder(clip, processor.image_processor.to_dict())
    choose_what_learns(model, config.tune, config.loss_setting)
    if config.gradient_checkpointing:
        save_memory(clip)
    groups = parameter_groups(model, config.weight_decay)
    # One pass over the weights. With a loss scaler Accelerate could not tell a skipped step.
    optimizer = torch.optim.AdamW(groups, lr=config.lr, fused=accelerator.scaler is None)
    scheduler = warm_up_and_cosine(optimizer, steps, config.warmup_ratio)
    with out_of_ddp(model.logit_scale, model.logit_bias):
        module, prepared = accelerator.prepare(model, optimizer)
    accelerator.register_for_checkpointing(scheduler)
    encoder = encoder_of(config, clip, processor, index)
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
        processor=processor,
        encoder=encoder,
        learning=[parameter for group in groups for parameter in group["params"]],
        optimizer=prepared,
        scheduler=scheduler,
        source=_source(config, train_list, encoder, clip, processor, index, accelerator),
    )


def accelerator_of(config: TrainConfig) -> Accelerator:
    """Accelerate's handle, with the precision of the flag or else the launcher's.

    Raises:
        CueframeError: It cannot compute in that.
    """
    accelerator = Accelerator(
        cpu=parse_flag_from_env("ACCELERATE_USE_CPU"),
        mixed_precision=config.mixed_precision,
        log_with=None if config.tracker == "none" else config.tracker,
        project_dir=config.output_path,
    )
    if accelerator.mixed_precision == "fp16" and accelerator.device.type == "cpu":
        # Accelerate would compute in float32, and say fp16.
        raise CueframeError("--mixed_precision fp16 needs a GPU; on a CPU choose bf16 or no")
    return accelerator


def data_of(config: TrainConfig, index: OpenIndex | None) -> tuple[list[Example], list[Example]]:
    """The questions to train and to validate on; all are in the index where there is one."""
    mined = None if index or (config.only_test and not config.image_path.is_dir()) else True
    lists = load_data(
        config.json_path,
        config.image_path if mined else None,
        config.video_path,
        config.caption,
        config.ratio,
        config.seed,
        index.contents(config.json_path) if index else None,
    )
    if index is None:
        refuse_missing_videos(lists[1], config.video_path)
        return lists
    known = {name for name, video in index.library.videos.items() if video.status == "indexed"}
    train_list, val_list = ([one for one in each if one["content_hash"] in known] for each in lists)
    return train_list, val_list


def encoder_of(config: TrainConfig, clip: Any, processor: Any, index: OpenIndex | None) -> Encoder:
    """The model as the index's floor uses it; with an index, only if it may ask that one."""
    images = processor.image_processor.to_dict()
    if index and config.view not in (None, index.profile.view):
        raise CueframeError(
            f"{index.path} was built with --view {index.profile.view}, not {config.view}; leave "
            "--view out, or build another index"
        )
    view = view_of(images, index.profile.view if index else config.view)
    if index:
        fingerprint = vision_fingerprint(clip, images, view)
        refuse_other_vision(index.path, index.profile, clip.name_or_path, fingerprint)
    return Encoder(clip.name_or_path, clip, processor.tokenizer, images, view)


def _source(
    config: TrainConfig,
    train_list: list[Example],
    encoder: Encoder,
    clip: Any,
    processor: Any,
    index: OpenIndex | None,
    accelerator: Accelerator,
) -> Source:
    texts = Texts(
        processor.tokenizer,
        train_list,
        encoder.max_tokens,
        to_full_length=clip.config.model_type.startswith("siglip"),  # as it was trained
    )
    if texts.too_long and accelerator.is_main_process:
        say(
            f"warning: the model reads {encoder.max_tokens} tokens and does not see the end of "
            f"{len(texts.too_long)} longer texts, the first that of {texts.too_long[0]}"
        )
    if index is None:
        return MinedFrames(
            train_list,
            texts,
            encoder.view,
            batch_size=config.batch_size,
            negatives=config.negatives_per_question,
            seed=config.seed,
            num_workers=config.num_workers,
            device=accelerator.device,
        )
    source = CachedFrames(
        train_list,
        texts,
        index,
        guard_s=config.guard_s,
        seed=config.seed,
        device=accelerator.device,
    )
    if accelerator.is_main_process:
        tell_distances(source.distances_s, index.profile.fps)
    return source


def set_initial_bias(config: TrainConfig, run: Run) -> None:
    """Set the logits' bias from the pairs of the run's first questions, over all processes."""
    rank, world_size = run.accelerator.process_index, run.accelerator.num_processes
    first = epoch_order(len(run.train_list), config.seed, 0)[:FIRST_QUESTIONS]
    batches = next(iter(run.source.steps(0, [first[rank::world_size]])))
    pool = gather_pool(encode_pool(run.module, batches), world_size)
    if not pool.pairs().any():
        raise CueframeError(
            f"no true frame of the first {len(first)} questions can be read; mine the frames anew "
            "with train/mine.py"
        )
    scale = run.model.logit_scale.exp().item()
    bias = initial_bias(config.loss_setting, cosines(pool), pool.pairs(), scale)  # type: ignore[arg-type]  # 1, 2 or 3 is checked
    run.model.logit_bias.data.fill_(bias)


def identity(config: TrainConfig, run: Run) -> dict[str, Any]:
    """What decides a run's result, by the name of the flag; JSON values."""
    decisive = {name: value for name, value in plain(config).items() if name not in _FREE}
    return decisive | {
        "mixed_precision": run.accelerator.mixed_precision,
        "processes": run.accelerator.num_processes,
        "data": data_fingerprint(run.train_list, run.val_list),
        "index": run.index.profile.key if run.index else None,
    }


def plain(config: TrainConfig) -> dict[str, Any]:
    """The configuration as JSON values."""
    return {
        name: str(value) if isinstance(value, Path) else value
        for name, value in asdict(config).items()
    }


def data_fingerprint(train_list: list[Example], val_list: list[Example]) -> str:
    """A digest of questions, texts, labels, videos' contents, split and names of the pictures."""
    digest = xxhash.xxh3_128()
    for side in (train_list, val_list):
        for one in side:
            question = one["question"]
            labels = (question.support_frames, question.support_ranges)
            folders = [Path(folder) for folder in (one["pos_path"], one["neg_path"]) if folder]
            pictures = [sorted(p.name for p in folder.glob("*.*")) for folder in folders]
            known = [one["id"], one["caption"], one["content_hash"], labels, pictures]
            digest.update(json.dumps(known).encode())
        digest.update(b"|")
    return digest.hexdigest()
