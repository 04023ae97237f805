"""Flags of train/main.py. No torch, so that --help is quick."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from index.run_command import NoLock, own_default
from infer.flags import LabelFiles, LongTextSetting, QuestionFormat
from train.losses.registry import LOSSES

Tracker = Literal["none", "tensorboard", "trackio", "wandb"]
LossSetting = Annotated[
    int,
    tyro.conf.arg(
        metavar="{" + ",".join(map(str, LOSSES)) + "}",
        help="; ".join(f"{number}: {loss.help}" for number, loss in LOSSES.items()) + ".",
    ),
]
"""A key of `train.losses.registry.LOSSES`."""


@dataclass(kw_only=True, slots=True)
class TrainConfig:
    """Flags of train/main.py."""

    json_path: Path = Path("../dataset/train/train.json")
    """File of questions with support_frames, support_ranges or scenes."""
    format: QuestionFormat = "auto"
    labels: LabelFiles = ()
    image_path: Path = Path("dataset")
    """Folder of mined frames, the --output_folder of train/mine.py."""
    video_path: Path = Path("../dataset/train/videos")
    """Folder of the videos, from which validation picks frames."""
    caption: Annotated[int, tyro.conf.arg(aliases=("--caption-setting",), metavar="{1,2,3}")] = 1
    """Text of a question: 1 the question, 2 its choices, 3 both."""
    long_text: LongTextSetting = "windows"
    output_path: Path = Path("saved_models/clip-finetuned-posneg")
    """Folder for the model, its processor, checkpoints and records of the run."""
    ratio: float = 0.2
    """Fraction of the videos held out for validation; 0 for no validation."""
    model: Annotated[str, tyro.conf.arg(aliases=("--model-name",))] = (
        "openai/clip-vit-large-patch14"
    )
    """Dual encoder to start from: a folder written by save_pretrained, or a name on the hub."""
    loss_setting: LossSetting = 1
    only_test: bool = False
    """Validate the model at --output_path (without one there, --model), and train nothing."""
    epochs: Annotated[int | None, own_default("1", "INT")] = None
    """Passes over the questions."""
    steps: Annotated[int | None, own_default("as --epochs says", "INT")] = None
    """Optimizer steps, exactly; in place of --epochs. The last pass may be left incomplete."""
    min_steps: Annotated[int | None, own_default("none", "INT")] = None
    """Least optimizer steps: passes are added to --epochs until there are as many. A pass over few
    questions has few steps."""
    patience: Annotated[int | None, own_default("off", "INT")] = None
    """Stop after so many validations without a better one (not before --min_steps); 0: never."""
    batch_size: int = 1
    """Questions per process and micro-batch; limited by memory."""
    accumulation_steps: int = 16
    """Micro-batches per process in one optimizer step. For loss 3 all of them are one pool."""
    lr: float = 1e-5
    """Peak of the learning rate."""
    lr_vision: Annotated[float | None, own_default("--lr", "FLOAT")] = None
    """The same for the weights of the vision side alone."""
    lr_text: Annotated[float | None, own_default("--lr", "FLOAT")] = None
    """The same for the weights of the text side alone."""
    weight_decay: float = 0.01
    """Weight decay of AdamW, for matrices; biases, norms and the logits' scale do not decay."""
    warmup_ratio: float = 0.1
    """Fraction of the steps for linear warm-up; after it, a cosine decay to 0."""
    max_grad_norm: float = 1.0
    """Gradients of a larger norm are clipped to it."""
    negatives_per_question: int = 4
    """Mined negatives drawn for each question and epoch; fewer if there are not as many."""
    tune: Annotated[str, tyro.conf.arg(metavar="{all,vision,text,projection}[:lastN]")] = "all"
    """Part of the model to train; all:last4, vision:last4 or text:last4: the last 4 layers of its
    towers, and what comes after them. The scale of the logits is always trained."""
    lora_rank: Annotated[
        int | None, own_default("off", "RANK"), tyro.conf.arg(aliases=("--lora",))
    ] = None
    """Train low-rank additions of this rank to the linear layers of that part, and its projections,
    instead of all its weights (LoRA): less memory. The saved model is a plain one."""
    lora_alpha: Annotated[int | None, own_default("the rank", "ALPHA")] = None
    """The additions are multiplied by this, divided by the rank."""
    save_adapter: bool = False
    """Write the additions by themselves, too: OUTPUT_PATH/adapter, which peft loads onto the model
    that the run started from."""
    index: Annotated[Path | None, own_default("none", "PATH")] = None
    """Index to take image vectors from, with --tune text only; mined frames are not needed then,
    and every indexed frame of the question's video that is not evidence is a negative."""
    guard_s: float = 0.5
    """Seconds around a support time; no frame shown within them is a negative of an equal text."""
    view: Annotated[
        Literal["center", "stretch", "pad", "tiles"] | None,
        own_default("as the model's processor says", "{center,stretch,pad,tiles}"),
    ] = None
    """How a wide frame becomes the model's input: center crop, squeezed, whole with borders, or as
    squares that cover it, each with a vector of its own; the best one is the frame's score."""
    pictures: Annotated[Path | None, own_default("preprocessed in --image_path", "PATH")] = None
    """Folder of pictures as the model's input: those that are not there yet are prepared once and
    added. It may be deleted at any time."""
    num_workers: int = 2
    """Threads that prepare pictures before the first step, per process; 0 does without."""
    gradient_checkpointing: bool = False
    """Save memory, for a third more time."""
    mixed_precision: Annotated[
        Literal["no", "bf16", "fp16"] | None,
        own_default("what the launcher says", "{no,bf16,fp16}"),
    ] = None
    """Precision of the encoder; weights and losses stay in float32."""
    seed: int = 42
    """Seed of the split, the order of the questions and the frames drawn."""
    resume: bool = False
    """Continue from the last checkpoint at --output_path."""
    save_every: int = 100
    """Steps between checkpoints; there is one after every epoch as well."""
    keep: int = 2
    """Number of checkpoints to keep, the last ones."""
    log_every: Annotated[int | None, own_default("10, or 10 s", "INT")] = None
    """Steps between two lines on stderr."""
    tracker: Tracker = "none"
    """Tracker that Accelerate logs to as well; OUTPUT_PATH/metrics.jsonl always has the metrics."""
    judge: str = "facebook/dinov2-large"
    """Vision transformer for sim_m of the last validation: folder, hub name, or none."""
    no_lock: NoLock = False


LENGTH = ("epochs", "steps", "min_steps", "patience")
"""Flags that a resumed run may change; those that are left out stay as they were."""

FREE = (
    *(
        "json_path",
        "format",
        "labels",
        "image_path",
        "video_path",
        "output_path",
        "index",
        "only_test",
        "resume",
    ),
    *("save_every", "keep", "log_every", "tracker", "judge", "num_workers"),
    *("gradient_checkpointing", "pictures"),
    "no_lock",
)
"""Flags that may differ when a run is resumed; the data at the paths is compared by content."""
