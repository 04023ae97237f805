"""Checkpoints at optimizer steps, and the check that an output folder is free or the run's own.

    OUTPUT/run.json                       settings that determine the result; --resume must agree
    OUTPUT/checkpoints/step-00000100/     the files of accelerator.save_state, and progress.json
    OUTPUT/metrics.jsonl                  a line for each step and each validation

A checkpoint is written under another name, synced and renamed, so an existing one is complete.
"""

import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from accelerate import Accelerator

from index.errors import CueframeError
from index.resume import claim
from index.storage.atomic_write import explain_unwritable, written_whole

_FOLDER = "checkpoints"
_RUN = "run.json"
_PROGRESS = "progress.json"
_METRICS = "metrics.jsonl"
_SIGNS = (_RUN, _FOLDER, "config.json", "model.safetensors", "training.json")
"""Any of these in an output folder shows that it already holds a model or a run."""


@dataclass(kw_only=True, slots=True)
class Progress:
    """Progress of a run, in addition to the state that `save_state` keeps."""

    step: int = 0
    best: list[float] | None = None
    """Figures of the best validation, as `train.validate.Validation.rank` orders them."""
    best_step: int = 0
    validation: dict[str, Any] = field(default_factory=dict)
    """The best validation's table."""


def refuse_taken(output: Path) -> None:
    """Refuse an output folder that holds a run or a model.

    Raises:
        CueframeError: The folder holds one.
    """
    there = [name for name in _SIGNS if (output / name).exists()]
    if there:
        raise CueframeError(
            f"{output} holds another run ({there[0]}); go on with it by --resume, or name another "
            "folder by --output_path"
        )


def claim_folder(output: Path, settings: dict[str, Any]) -> None:
    """Claim an output folder for a new run, or check that the run in it is the one to resume.

    Args:
        output: The folder; created if it is missing.
        settings: Settings that determine the result, by name of the flag; JSON values.

    Raises:
        CueframeError: The folder holds a run with other settings, or cannot be written.
    """
    remedy = "go on with that, or name another folder by --output_path"
    if not (output / _RUN).is_file() and any((output / name).exists() for name in _SIGNS):
        raise CueframeError(
            f"{output} has no {_RUN} that tells how it was trained, so it cannot be resumed; name "
            "another folder by --output_path"
        )
    claim(output / _RUN, settings, remedy)


def save(accelerator: Accelerator, output: Path, progress: Progress, *, keep: int) -> None:
    """Write a checkpoint; all processes call this at the same step."""
    folder = output / _FOLDER / _name(progress.step)
    temporary = folder.with_name(f".{folder.name}.tmp")
    if accelerator.is_main_process:
        remove_leftovers(output)
        temporary.mkdir(parents=True)
    accelerator.wait_for_everyone()
    accelerator.save_state(str(temporary))
    accelerator.wait_for_everyone()
    if accelerator.is_main_process:
        (temporary / _PROGRESS).write_text(json.dumps(asdict(progress)))
        for path in [*temporary.rglob("*"), temporary]:
            _sync(path)
        temporary.rename(folder)
        _sync(folder.parent)
        for old in checkpoints(output)[:-keep]:
            shutil.rmtree(old.rename(old.with_name(f".{old.name}.tmp")))


def _name(step: int) -> str:
    return f"step-{step:08d}"


def checkpoints(output: Path) -> list[Path]:
    """Return the complete checkpoints, oldest first."""
    return sorted((output / _FOLDER).glob("step-*"))


def load(accelerator: Accelerator, output: Path) -> Progress:
    """Restore the last checkpoint; without one, start from the beginning.

    Raises:
        CueframeError: The checkpoint cannot be read.
    """
    found = checkpoints(output)
    if not found:
        return Progress()
    try:
        progress = _progress_of(found[-1])
        accelerator.load_state(str(found[-1]))
    except Exception as error:  # its files are of three libraries, each with errors of its own
        first = str(error).strip().split("\n")[0]
        raise CueframeError(
            f"the checkpoint {found[-1]} cannot be read ({first}); delete it, and --resume goes on "
            "from the one before"
        ) from error
    return progress


def _progress_of(checkpoint: Path) -> Progress:
    progress = Progress(**json.loads((checkpoint / _PROGRESS).read_bytes()))
    if checkpoint.name != _name(progress.step):
        raise ValueError(f"{_PROGRESS} is of step {progress.step}")
    return progress


def remove_leftovers(output: Path) -> None:
    """Delete incomplete checkpoints of a killed run."""
    for stale in (output / _FOLDER).glob(".step-*.tmp"):
        shutil.rmtree(stale)


def cut_metrics(output: Path, step: int) -> None:
    """Drop the metrics of later steps, and an incomplete last line."""
    lines = [json.dumps(line) + "\n" for line in read_metrics(output) if line["step"] <= step]
    with written_whole(output / _METRICS) as temporary:
        temporary.write_text("".join(lines))


def read_metrics(output: Path) -> Iterator[dict[str, Any]]:
    """Yield the complete lines of metrics.jsonl.

    Raises:
        CueframeError: A line is not one of metrics.
    """
    path = output / _METRICS
    if not path.is_file():
        return
    for number, line in enumerate(path.read_bytes().split(b"\n")[:-1], 1):
        try:
            metrics = json.loads(line)
            int(metrics["step"])
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise CueframeError(
                f"{path}: line {number} is not one of metrics; delete the line, and run again"
            ) from error
        yield metrics


def append_metrics(output: Path, line: dict[str, Any]) -> None:
    """Add a line to metrics.jsonl."""
    path = output / _METRICS
    with explain_unwritable(path), path.open("a") as file:
        file.write(json.dumps(line) + "\n")


def _sync(path: Path) -> None:
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
