"""Flags of infer/answer.py, and what is wrong with them before anything is loaded."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from index.cli import own_default, positive
from index.errors import CueframeError
from infer.asking import AskingModel, CaptionSetting

OWN_READERS = ("none", "clip")
"""Values of --reader that are no model's name."""


@dataclass(kw_only=True, slots=True)
class AnswerConfig:
    """Flags of infer/answer.py."""

    questions: tyro.conf.Positional[str]
    """File of questions, or - for standard input."""
    index: Path = Path("video_index")
    """Folder of the index."""
    output: str = "answers.jsonl"
    """File of the answers, or - for stdout; the result of the run then goes to stderr. A run that
    was interrupted goes on where it was."""
    pick: Literal["quarters", "top", "top-apart", "mmr", "aks", "bolt", "uniform", "random"] = (
        "quarters"
    )
    """Which frames of a video: of each of K equal segments its best (quarters), its middle
    (uniform) or any (random); the K best wherever they are (top) or apart (top-apart); by
    published selectors (mmr, aks, bolt)."""
    frames: int = 4
    """K, frames for a question."""
    caption: CaptionSetting = 1
    """Text of a question: 1 the question, 2 its choices, 3 both."""
    model: AskingModel = None
    """Dual encoder, a folder or a name on the hub; its vision side must be the index's."""
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """Of the encoder and of a vision-language reader. auto on a GPU: float16 and bfloat16; on a
    CPU: float32."""
    seed: int = 42
    """Read by --pick random alone."""
    reader: str = "none"
    """Who answers: none (frames only), clip (the vectors in the index), or a vision-language
    model, a folder or a name on the hub."""
    reader_frames: tuple[Literal["picked", "uniform", "support", "all"], ...] = ("picked",)
    """Frames that the reader sees: the picked ones, the middles of the segments, the true ones, or
    all of the index (clip alone). Of several, the first is the answer."""
    reader_batch: int = 8
    """Questions that a vision-language reader reads together."""
    reader_side: int = 640
    """Longer side in pixels to which frames are shrunk for a vision-language reader."""
    device_map: Annotated[Literal["auto"] | None, own_default("one device each", "auto")] = None
    """auto spreads a vision-language reader over all devices."""
    prompt: str = "en"
    """Words around the question for a vision-language reader: en, vi, or a TOML file."""
    free: bool = False
    """Let a vision-language reader write a text instead of choosing a letter."""
    max_new_tokens: int = 64
    """Length of a text of --free."""
    timing: bool = False
    """Write each question's seconds."""
    submission: Annotated[Path | None, own_default("none", "FILE.csv")] = None
    """Rows of id and answer, for a contest; no answer is an empty field."""
    save_frames: Annotated[Path | None, own_default("none are saved", "DIR")] = None
    """Folder for the picked frames: DIR/<id>/<k>_<time>s.jpg."""
    videos: Annotated[Path | None, own_default("where they were indexed", "PATH")] = None
    """Where --save-frames and a vision-language reader find the videos now: folder, video, or text
    file of paths."""
    size: str = "1920x1080"
    """Width x height of a saved frame in pixels."""


def refuse_bad_values(config: AnswerConfig) -> None:
    """Find at once what would fail, or could not be written, after all the work.

    Raises:
        CueframeError: A flag's value is wrong, alone or beside another's.
    """
    positive("--frames", config.frames)
    positive("--reader-batch", config.reader_batch)
    positive("--reader-side", config.reader_side)
    positive("--max-new-tokens", config.max_new_tokens)
    seen = config.reader_frames
    if not seen or len(set(seen)) < len(seen):
        raise CueframeError(
            f"--reader-frames is {' '.join(seen) or 'empty'}; name each kind of frames once"
        )
    if config.reader == "none" and (config.submission or seen != ("picked",)):
        flag = "--submission" if config.submission else "--reader-frames"
        raise CueframeError(f"{flag} needs answers; name a --reader, clip or a model")
    if config.reader in OWN_READERS and config.free:
        raise CueframeError(
            f"--free with --reader {config.reader} writes nothing; name a vision-language model"
        )
    if config.reader != "clip" and "all" in seen:
        raise CueframeError(
            "--reader-frames all is for --reader clip, which reads the index; a vision-language "
            "reader takes picked, uniform or support"
        )
    processes = int(os.environ.get("WORLD_SIZE", "1"))
    if processes > 1 and config.device_map:
        raise CueframeError(
            f"--device-map auto spreads one reader, and {processes} processes would have one each; "
            "start one process, or leave the flag out"
        )
    if processes > 1 and "-" in (config.output, config.questions):
        raise CueframeError(f"- is read or written by one process, not by {processes}; name a file")
    output = Path(config.output)
    if config.output != "-" and output.exists() and not output.is_file():
        raise CueframeError(f"--output {output} is no file; name a file, or - for stdout")
    if config.submission:
        _refuse_bad_submission(config.submission, output)
    if config.save_frames:
        _make_folder(config.save_frames, "--save-frames")


def _refuse_bad_submission(path: Path, output: Path) -> None:
    if path.is_dir():
        raise CueframeError(f"--submission {path} is a folder; name a file")
    if path.resolve() == output.resolve():
        raise CueframeError(f"--submission {path} is --output too; name another file")
    _make_folder(path.parent, "the folder of --submission")


def _make_folder(path: Path, what: str) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CueframeError(
            f"{what} {path} is no folder and cannot be made ({error.strerror}); name another"
        ) from error
