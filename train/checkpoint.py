"""Checkpoints at optimizer steps, and whose output folder it is.

    OUTPUT/run.json                       what decides the run's result; --resume must agree with it
    OUTPUT/checkpoints/step-00000100/     what accelerator.save_state writes, and progress.json
    OUTPUT/metrics.jsonl                  a line for each step and each validation

A checkpoint is written under another name, synced and renamed, so one that is there is whole.
"""

import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from index.errors import CueframeError
from index.store import written_whole

if TYPE_CHECKING:
    from accelerate import Accelerator

_FOLDER = "checkpoints"
_RUN = "run.json"
_PROGRESS = "progress.json"
_METRICS = "metrics.jsonl"
_SIGNS = (_RUN, _FOLDER, "config.json", "model.safetensors", "training.json")
"""Each of these in an output folder tells that a model or a run is there already."""


@dataclass(kw_only=True, slots=True)
class Progress:
    """How far a run is, beside what `save_state` keeps."""

    step: int = 0
    best: list[float] | None = None
    """Figures of the best validation, as `train.validate.rank_of` orders them."""
    best_step: int = 0
    validation: dict[str, Any] = field(default_factory=dict)
    """The best validation's table."""


def refuse_taken(output: Path) -> None:
    """Refuse an output folder that holds a run or a model.

    Raises:
        CueframeError: It does.
    """
    there = [name for name in _SIGNS if (output / name).exists()]
    if there:
        raise CueframeError(
            f"{output} holds another run ({there[0]}); go on with it by --resume, or name another "
            "folder by --output_path"
        )


def claim(output: Path, run: dict[str, Any]) -> None:
    """Take an output folder for a run, or find that it is the run to go on with.

    Args:
        output: The folder; made when it is missing.
        run: What decides the result, by the name of the flag, JSON values.

    Raises:
        CueframeError: A run with other values is there, or it cannot be written.
    """
    path = output / _RUN
    if path.is_file():
        _compare(output, path, json.loads(json.dumps(run)))
        return
    if any((output / name).exists() for name in _SIGNS):
        raise CueframeError(
            f"{output} has no {_RUN} that tells how it was trained, so it cannot be resumed; name "
            "another folder by --output_path"
        )
    with written_whole(path) as temporary:
        temporary.write_text(json.dumps(run, indent=2, ensure_ascii=False) + "\n")


def _compare(output: Path, path: Path, run: dict[str, Any]) -> None:
    try:
        earlier = dict(json.loads(path.read_bytes()))
    except (OSError, ValueError, TypeError) as error:
        raise CueframeError(
            f"{path} cannot be read ({error}); name another folder by --output_path"
        ) from error
    for name in run | earlier:
        if run.get(name) != earlier.get(name):
            raise CueframeError(
                f"the run in {output} has {name} {earlier.get(name)}, not {run.get(name)}; go on "
                "with its own value, or name another folder by --output_path"
            )


def save(accelerator: "Accelerator", output: Path, progress: Progress, *, keep: int) -> None:
    """Write a checkpoint; all processes call this at the same step."""
    folder = output / _FOLDER / f"step-{progress.step:08d}"
    temporary = folder.with_name(f".{folder.name}.tmp")
    if accelerator.is_main_process:
        sweep(output)
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


def checkpoints(output: Path) -> list[Path]:
    """Whole checkpoints, the last one last."""
    return sorted((output / _FOLDER).glob("step-*"))


def load(accelerator: "Accelerator", output: Path) -> Progress:
    """Go back to the last checkpoint, or to the beginning where there is none.

    Raises:
        CueframeError: It cannot be read.
    """
    found = checkpoints(output)
    if not found:
        return Progress()
    try:
        progress = Progress(**json.loads((found[-1] / _PROGRESS).read_bytes()))
        accelerator.load_state(str(found[-1]))
    except (OSError, ValueError, TypeError, KeyError, RuntimeError) as error:
        first = str(error).strip().split("\n")[0]
        raise CueframeError(
            f"the checkpoint {found[-1]} cannot be read ({first}); delete it, and --resume goes on "
            "from the one before"
        ) from error
    return progress


def sweep(output: Path) -> None:
    """Clear away what a killed run was about to write."""
    for stale in (output / _FOLDER).glob(".step-*.tmp"):
        shutil.rmtree(stale)


def cut_metrics(output: Path, step: int) -> None:
    """Drop the lines of later steps, and a torn last one."""
    lines = [json.dumps(line) + "\n" for line in read_metrics(output) if line["step"] <= step]
    with written_whole(output / _METRICS) as temporary:
        temporary.write_text("".join(lines))


def read_metrics(output: Path) -> Iterator[dict[str, Any]]:
    """The lines of metrics.jsonl that are whole."""
    path = output / _METRICS
    if not path.is_file():
        return
    for line in path.read_text().split("\n")[:-1]:
        yield json.loads(line)


def append_metrics(output: Path, line: dict[str, Any]) -> None:
    """Add a line to metrics.jsonl."""
    with (output / _METRICS).open("a") as file:
        file.write(json.dumps(line) + "\n")


def _sync(path: Path) -> None:
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
