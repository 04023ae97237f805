"""Mine true and negative frames of labelled questions from their videos.

Usage: python train/mine.py --input_folder ../dataset --output_folder dataset

With accelerate launch train/mine.py all processes and machines share the work.

Each question gets dataset/frames_true/<id>/, the frames shown at its support times, and
dataset/frames_neg/<id>/, frames of the same video that are neither near those nor similar to them.
dataset/mined.jsonl records the time of each frame. A second run mines only what is new or changed;
an interrupted one continues where it stopped. The result is one JSON object on stdout.
"""

import math
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

try:
    import tyro

    from index.errors import CueframeError
    from index.run_command import NoLock, own_default, positive, run
    from index.storage.atomic_write import folder_of, refuse_overwriting
    from infer.flags import LabelFiles, LongTextSetting, QuestionFormat
except ModuleNotFoundError as missing:
    print(f"error: no module {missing.name}; run pip install -e . in the checkout", file=sys.stderr)
    sys.exit(2)


@dataclass(kw_only=True, slots=True)
class MineConfig:
    """Flags of train/mine.py."""

    input_folder: Path = Path("../dataset")
    """Folder to which the questions' video_path is relative."""
    output_folder: Path = Path("dataset")
    """Folder for the frames."""
    json_path: Annotated[Path | None, own_default("INPUT_FOLDER/train/train.json", "PATH")] = None
    """File of questions with support_frames, support_ranges or scenes."""
    format: QuestionFormat = "auto"
    labels: LabelFiles = ()
    model: Annotated[
        str | None,
        tyro.conf.arg(aliases=("--model-name",)),
        own_default("openai/clip-vit-large-patch14, or the index's own", "STR"),
    ] = None
    """Dual encoder that compares frames: a folder written by save_pretrained, or a hub name."""
    num_segments: int = 5
    """Equal parts of the timeline; each gives one negative at most."""
    neg_sim_threshold: float = 0.95
    """A negative's cosine to every true frame is below this; above 1 the test is off."""
    negatives: Literal["random", "hard"] = "random"
    """Choice among a part's frames that pass: at random, or most similar to the question's text."""
    guard_s: float = 0.5
    """Seconds around a support time; no frame that is shown within them is a negative."""
    caption: Annotated[Literal[1, 2, 3], tyro.conf.arg(aliases=("--caption-setting",))] = 1
    """Text of a question: 1 the question, 2 its choices, 3 both. Used by --negatives hard only."""
    long_text: LongTextSetting = "windows"
    image_format: Literal["png", "jpg"] = "png"
    """png is lossless; jpg, of quality 95, takes a third of the disk space."""
    index: Annotated[Path | None, own_default("none", "PATH")] = None
    """Index of the videos: frames that it holds are not encoded again. The result is the same."""
    fps: Annotated[float | None, own_default("2.0, or the index's own", "FLOAT")] = None
    """Candidates for negatives per second of video."""
    seed: int = 42
    """Seed of the random draws."""
    batch_frames: int = 64
    """Number of frames per encoder batch."""
    workers: Annotated[
        int | None, own_default("cores - 1, or all cores if the encoder is on a GPU", "INT")
    ] = None
    """Number of decoding processes, with one thread each."""
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """Precision of the encoder. auto: float16 on a GPU, float32 on a CPU."""
    time_limit_s: Annotated[
        float | None, own_default("120 s + 20 s per second of video", "FLOAT")
    ] = None
    """Time limit in seconds for decoding one video."""
    no_lock: NoLock = False


def mine(config: MineConfig) -> int:
    """Mine the questions that are not mined yet; return the exit code."""
    for flag, value in (
        ("--num_segments", config.num_segments),
        ("--fps", config.fps),
        ("--batch_frames", config.batch_frames),
        ("--workers", config.workers),
        ("--time_limit_s", config.time_limit_s),
    ):
        positive(flag, value)
    if not 0 <= config.guard_s < math.inf:
        raise CueframeError(f"--guard_s is {config.guard_s}; give seconds, 0 or more")
    if not math.isfinite(config.neg_sim_threshold):
        raise CueframeError(f"--neg_sim_threshold is {config.neg_sim_threshold}; give a number")
    refuse_overwriting(
        {"--output_folder": config.output_folder},
        {"the index": [config.index], "the model": [folder_of(config.model)]},
    )
    from train.mining.run import mine_frames

    return mine_frames(
        config.json_path or config.input_folder / "train" / "train.json",
        config.input_folder,
        config.output_folder,
        layout=config.format,
        labels=config.labels,
        model=config.model,
        index=config.index,
        fps=config.fps,
        dtype=config.dtype,
        negatives=config.negatives,
        num_segments=config.num_segments,
        neg_sim_threshold=config.neg_sim_threshold,
        guard_s=config.guard_s,
        seed=config.seed,
        image_format=config.image_format,
        caption_setting=config.caption,
        long_text=config.long_text,
        batch_frames=config.batch_frames,
        workers=config.workers,
        time_limit_s=config.time_limit_s,
        no_lock=config.no_lock,
    )


if __name__ == "__main__":
    run(mine, MineConfig, __doc__)
