"""Flags of infer/answer.py, and those among them that do not decide the answers."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from index.run_command import NoLock, own_default
from infer.flags import (
    CaptionSetting,
    ChoicesSetting,
    IndexFolders,
    JoinSetting,
    LabelFiles,
    LongTextSetting,
    PickStrategy,
    QueryModels,
    QuestionFormat,
    RulesFile,
    SmoothSeconds,
)
from infer.readers.registry import OWN_READERS

Reader = Annotated[
    str,
    tyro.conf.arg(
        help="Who answers. "
        + "; ".join(f"{name}: {what}" for name, what in OWN_READERS.items())
        + "; or a vision-language model, a folder or a name on the hub."
    ),
]
"""A name from `infer.readers.registry.OWN_READERS`, or a model."""


@dataclass(kw_only=True, slots=True)
class AnswerConfig:
    """Flags of infer/answer.py."""

    questions: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="QUESTIONS")]
    """File of questions, or - for standard input."""
    format: QuestionFormat = "auto"
    labels: LabelFiles = ()
    index: IndexFolders = ()
    output: str = "answers.jsonl"
    """File of the answers, or - for stdout; the result of the run then goes to stderr. An
    interrupted run continues where it stopped."""
    pick: PickStrategy = None
    rules: RulesFile = None
    smooth_s: SmoothSeconds = None
    frames: int | Literal["auto"] = 4
    """K, frames per question; auto: the fewest that hold its evidence with --coverage."""
    coverage: Annotated[float | None, own_default("none is promised", "SHARE")] = None
    """Share of questions whose frames shall hold evidence, between 0 and 1, for --frames auto."""
    calibration: Annotated[Path | None, own_default("none", "FILE")] = None
    """Labelled questions about other videos of the index, from which --coverage is learnt."""
    trained_on: Annotated[Path | None, own_default("as the model's folder tells", "FILE")] = None
    """Questions that the encoder was trained on; --calibration on their videos is refused."""
    caption: CaptionSetting = None
    """Text of a question: 1 the question, 2 its choices, 3 both."""
    choices: ChoicesSetting = None
    join: JoinSetting = None
    long_text: LongTextSetting = "windows"
    model: QueryModels = ()
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """Precision of the encoder and of a vision-language reader. auto: float16 and bfloat16 on a
    GPU, float32 on a CPU."""
    seed: int = 42
    """Seed, used by --pick random alone."""
    reader: Reader = "none"
    reader_frames: tuple[Literal["picked", "uniform", "support", "all"], ...] = ("picked",)
    """Frames that the reader sees: the picked ones, the middles of the segments, the true ones, or
    all in the index (clip only). Of several kinds, the first gives the answer."""
    reader_batch: int = 8
    """Questions per batch of a vision-language reader."""
    reader_side: int = 640
    """Longer side in pixels to which frames are shrunk for a vision-language reader."""
    device_map: Annotated[Literal["auto"] | None, own_default("one device each", "auto")] = None
    """auto spreads a vision-language reader over all devices."""
    prompt: str = "en"
    """Prompt of a vision-language reader: en, vi, or a TOML file of templates."""
    free: bool = False
    """Let a vision-language reader write a text instead of choosing a letter."""
    max_new_tokens: int = 64
    """Longest text of --free, in tokens."""
    timing: bool = False
    """Write the seconds that each question took."""
    submission: Annotated[Path | None, own_default("none", "FILE.csv")] = None
    """CSV file of id and answer, for a contest."""
    submission_columns: str = "id,answer"
    """Names of the two columns of --submission, for its head."""
    guess: str = ""
    """What a question without an answer gets in --submission."""
    save_frames: Annotated[Path | None, own_default("none are saved", "DIR")] = None
    """Folder for the picked frames: DIR/<id>/<k>_<time>s.jpg."""
    videos: Annotated[Path | None, own_default("where they were indexed", "PATH")] = None
    """Current location of the videos, for --save-frames and a vision-language reader: folder,
    video, or text file of paths."""
    size: str = "1920x1080"
    """Width x height of a saved frame in pixels."""
    no_lock: NoLock = False


FREE = (
    *("questions", "format", "labels", "index", "output", "videos", "save_frames", "size"),
    *("submission", "submission_columns", "guess", "reader_batch", "device_map", "no_lock"),
    "trained_on",
)
"""Flags that may differ when a run is resumed; questions and index are compared by content."""
