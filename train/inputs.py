"""What the flags of a training name: launcher, questions, view, encoder and pictures."""

from __future__ import annotations

from pathlib import Path

from accelerate import Accelerator
from accelerate.utils import parse_flag_from_env

from index.errors import CueframeError
from index.models.dual_model import DualModel
from index.models.encoder import Encoder
from index.models.preprocess import ViewMode
from infer.query_encoder import refuse_other_model
from infer.question_files.loading import load_questions
from train.config import TrainConfig
from train.index_batches import OpenIndex
from train.linked_videos import linked_in_index, linked_in_mined
from train.pictures.store import PREPARED
from train.split import Example, split_data
from train.validate import refuse_missing_videos


def accelerator_of(config: TrainConfig) -> Accelerator:
    """Create the Accelerator, with the precision of the flag or else the launcher's.

    Raises:
        CueframeError: The device cannot compute in that precision.
    """
    accelerator = Accelerator(
        cpu=parse_flag_from_env("ACCELERATE_USE_CPU"),
        mixed_precision=config.mixed_precision,
        log_with=None if config.tracker == "none" else config.tracker,
        project_dir=config.output_path,
    )
    if accelerator.mixed_precision == "fp16" and accelerator.device.type == "cpu":
        # Accelerate would compute in float32, and report fp16.
        raise CueframeError("--mixed_precision fp16 needs a GPU; on a CPU choose bf16 or no")
    return accelerator


def data_of(config: TrainConfig, index: OpenIndex | None) -> tuple[list[Example], list[Example]]:
    """Load the questions to train and to validate on; with an index, only those indexed."""
    mined = None if index or (config.only_test and not config.image_path.is_dir()) else True
    questions = load_questions(config.json_path, layout=config.format, labels=config.labels)
    linked = linked_in_mined(config.image_path) if mined else None
    if index:
        linked = linked_in_index(index.path, index.profile)
    lists = split_data(
        questions,
        config.json_path,
        config.image_path if mined else None,
        config.video_path,
        config.caption,
        config.ratio,
        config.seed,
        index.contents(questions, config.json_path) if index else None,
        linked,
    )
    if index is None:
        refuse_missing_videos(lists[1], config.video_path)
        return lists
    known = {name for name, video in index.indexed.videos.items() if video.status == "indexed"}
    train_list, val_list = ([one for one in each if one["content_hash"] in known] for each in lists)
    return train_list, val_list


def view_of(config: TrainConfig, index: OpenIndex | None) -> ViewMode | None:
    """Return how a wide frame becomes the model's input; with an index, in the index's way.

    Raises:
        CueframeError: The flag and the index disagree.
    """
    if index and config.view not in (None, index.profile.view):
        raise CueframeError(
            f"{index.path} was built with --view {index.profile.view}, not {config.view}; leave "
            "--view out, or build another index"
        )
    return index.profile.view if index else config.view


def encoder_of(dual: DualModel, index: OpenIndex | None) -> Encoder:
    """Return the model as an `Encoder`; with an index, refuse a model that cannot query it.

    Raises:
        CueframeError: It cannot encode a picture or a text, or is not the index's.
    """
    encoder = Encoder(dual)
    if index:
        refuse_other_model(index.path, index.profile, dual)
    encoder.check_texts()
    if dual.has_vision or not index:
        encoder.check_images()
    return encoder


def pictures_folder(config: TrainConfig) -> Path | None:
    """Return the folder of prepared pictures; None if there is no place for them."""
    if config.pictures is None and not config.image_path.is_dir():
        return None
    return config.pictures or config.image_path / PREPARED
