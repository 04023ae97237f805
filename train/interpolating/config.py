"""Flags of train/interpolate.py and the checks of their values. No torch, for a quick --help."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from index.errors import CueframeError
from index.run_command import own_default
from index.storage.atomic_write import folder_of, refuse_overwriting
from infer.flags import LabelFiles, LongTextSetting, QuestionFormat
from train.distilling.config import refuse_taken


@dataclass(kw_only=True, slots=True)
class InterpolateConfig:
    """Flags of train/interpolate.py."""

    a: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="A")]
    """Model at alpha 0, as a rule the one before fine-tuning: a folder, or a name on the hub."""
    b: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="B")]
    """Model at alpha 1, as a rule the fine-tuned one."""
    alpha: Annotated[Literal["auto"] | float, tyro.conf.arg(metavar="{auto,0 ... 1}")] = 0.5
    """Share of B in each weight; auto: the one that validates best."""
    output_path: Path = Path("saved_models/interpolated")
    """Folder for the new model, new or empty."""
    json_path: Annotated[Path | None, own_default("none", "PATH")] = None
    """With --alpha auto: file of questions with support_frames, support_ranges or scenes. Those
    about videos that A or B was trained on are left out."""
    format: QuestionFormat = "auto"
    labels: LabelFiles = ()
    video_path: Path = Path("../dataset/train/videos")
    """Folder of their videos."""
    caption: Annotated[int, tyro.conf.arg(aliases=("--caption-setting",), metavar="{1,2,3}")] = 1
    """Text of a question: 1 the question, 2 its choices, 3 both."""
    long_text: LongTextSetting = "windows"
    view: Annotated[
        Literal["center", "stretch", "pad", "tiles"] | None,
        own_default("as the model's processor says", "{center,stretch,pad,tiles}"),
    ] = None
    """How a wide frame becomes the model's input while alpha is chosen."""
    seed: int = 42
    """Seed of random picks and intervals in the tables."""


def refuse_bad_values(config: InterpolateConfig) -> None:
    """Check the flags before anything heavy is loaded.

    Raises:
        CueframeError: A number out of range, a flag that is missing, or a folder that is taken.
    """
    if config.alpha == "auto":
        if config.json_path is None:
            raise CueframeError(
                "--alpha auto is chosen on labelled questions; name their file by --json_path, or "
                "give a number from 0 to 1"
            )
        if not config.json_path.is_file():
            raise CueframeError(
                f"{config.json_path} is not there; name the questions' file by --json_path"
            )
    elif not 0 <= config.alpha <= 1:
        raise CueframeError(f"--alpha is {config.alpha}; give a number from 0 to 1, or auto")
    elif config.json_path is not None:
        raise CueframeError(
            f"--json_path {config.json_path} is for --alpha auto, and --alpha is {config.alpha}; "
            "leave one of them out"
        )
    if config.caption not in (1, 2, 3):
        raise CueframeError(f"--caption is {config.caption}; give 1, 2 or 3")
    refuse_overwriting(
        {"--output_path": config.output_path},
        {"the models": [folder_of(config.a), folder_of(config.b)]},
    )
    refuse_taken(config.output_path)
    if config.a == config.b:
        raise CueframeError(f"{config.a} is named twice; name two models")
