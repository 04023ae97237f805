"""Checkpoints at optimizer steps, and the check that an output folder is free or the run's own.

    OUTPUT/run.json                       settings that determine the result; --resume must agree
    OUTPUT/checkpoints/step-00000100/     the files of accelerator.save_state, and progress.json
    OUTPUT/metrics.jsonl                  a line for each step and each validation

A checkpoint is written under another name, synced and renamed, so an existing one is complete. It
has pickles, of which only tensors and plain values are read, never code.
"""

import json
import os
import re
import shutil
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from accelerate import Accelerator
from accelerate.utils import gather_object
from accelerate.utils import load as load_plain

from index.distributed import remove_old_rendezvous
from index.errors import CueframeError
from index.models.libraries import MODEL_SIGNS
from index.resume import claim
from index.storage.atomic_write import written_whole
from train.saving import explain_saving, first_line

_FOLDER = "checkpoints"
RUN = "run.json"
_PROGRESS = "progress.json"
_METRICS = "metrics.jsonl"
_SIGNS = (RUN, _FOLDER, *MODEL_SIGNS, "model.safetensors", "training.json")
"""Any of these in an output folder shows that it already holds a model or a run."""


@dataclass(kw_only=True, slots=True)
class Progress:
    """Progress of a run, in addition to the state that `save_state` keeps."""

    step: int = 0
    steps: int = 0
    """Length of the run as it was planned at this step."""
    lengths: list[dict[str, int]] = field(default_factory=list)
    """Changes of the length: `after_step`, `steps_before` and `steps`."""
    best: list[float] | None = None
    """Figures of the best validation, as `train.validate.Validation.rank` orders them."""
    best_step: int = 0
    since_best: int = 0
    """Validations after the first one that was as good as the best."""
    validation: dict[str, Any] = field(default_factory=dict)
    """The best validation, as `train.validate.Validation.figures` has it."""
    validation_due: bool = False
    """Whether the model of this step is still to be validated."""


@contextmanager
def resumable(output: Path) -> Iterator[None]:
    """Turn an error of writing into one line that says how the run goes on."""
    with explain_saving(output, "make room and go on by --resume"):
        yield


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


def claim_folder(
    output: Path,
    settings: dict[str, Any],
    contents: Callable[[], dict[str, str]] = dict,
    changeable: Collection[str] = (),
) -> None:
    """Claim an output folder for a new run, or check that the run in it is the one to resume.

    Args:
        output: The folder; created if it is missing.
        settings: Settings that determine the result, by name of the flag; JSON values.
        contents: As `index.resume.claim` takes them, like `changeable`.
        changeable: Names of settings that may be others when the run is resumed.

    Raises:
        CueframeError: The folder holds a run with other settings, or cannot be written.
    """
    remedy = "go on with that, or name another folder by --output_path"
    if not (output / RUN).is_file() and any((output / name).exists() for name in _SIGNS):
        raise CueframeError(
            f"{output} has no {RUN} that tells how it was trained, so it cannot be resumed; name "
            "another folder by --output_path"
        )
    claim(output / RUN, settings, remedy, contents, changeable)


def save(accelerator: Accelerator, output: Path, progress: Progress, *, keep: int) -> None:
    """Write a checkpoint; all processes call this at the same step.

    Raises:
        CueframeError: It cannot be written, on any process; raised on all. The last one stays.
    """
    folder = output / _FOLDER / _name(progress.step)
    temporary = folder.with_name(f".{folder.name}.tmp")

    def prepare() -> None:
        if accelerator.is_main_process:
            remove_leftovers(output)
            temporary.mkdir(parents=True)

    def put_in_place() -> None:
        if accelerator.is_main_process:
            (temporary / _PROGRESS).write_text(json.dumps(asdict(progress)))
            for path in [*temporary.rglob("*"), temporary]:
                _sync(path)
            if folder.exists():  # of a run that began anew
                shutil.rmtree(folder)
            temporary.rename(folder)
            _sync(folder.parent)

    try:
        with resumable(folder.parent):
            _together(prepare)
            _together(lambda: accelerator.save_state(str(temporary)))
            _together(put_in_place)
    except CueframeError:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    if accelerator.is_main_process:
        for old in checkpoints(output)[:-keep]:
            shutil.rmtree(old.rename(old.with_name(f".{old.name}.tmp")), ignore_errors=True)


def _together(work: Callable[[], object]) -> None:
    """Call this on every process, and wait for all; where one fails, raise on all."""
    failed = []
    try:
        work()
    except Exception as error:  # noqa: BLE001 - it is raised below, on every process
        failed = [first_line(error)]
    if failed := gather_object(failed):
        raise OSError(failed[0])


def save_progress(output: Path, progress: Progress) -> None:
    """Bring the last checkpoint's progress up to date; the leading process calls this.

    Raises:
        CueframeError: It cannot be written.
    """
    folder = output / _FOLDER / _name(progress.step)
    with resumable(folder.parent), written_whole(folder / _PROGRESS) as temporary:
        temporary.write_text(json.dumps(asdict(progress)))


def _name(step: int) -> str:
    return f"step-{step:08d}"


def checkpoints(output: Path) -> list[Path]:
    """Return the complete checkpoints, oldest first; what has another name is none."""
    found = filter(Path.is_dir, (output / _FOLDER).glob("step-*"))
    named = [path for path in found if re.fullmatch(r"step-\d{8,}", path.name, re.ASCII)]
    return sorted(named, key=_step_of)


def _step_of(checkpoint: Path) -> int:
    return int(checkpoint.name.partition("-")[2])


def last_step(output: Path) -> int:
    """Return the step of the last checkpoint; 0 without one."""
    return max(map(_step_of, checkpoints(output)), default=0)


def refuse_lost_checkpoints(output: Path, steps_per_epoch: int) -> None:
    """Refuse a run whose checkpoints are gone: it would begin anew, over what is there.

    Raises:
        CueframeError: There is none, though there was one: the run came past its first epoch.
    """
    if checkpoints(output):
        return
    steps = max((int(line["step"]) for line in read_metrics(output)), default=0)
    if steps > steps_per_epoch or (output / "training.json").exists():
        raise CueframeError(
            f"{output} has metrics of {steps} steps and no checkpoint to go on from; put "
            f"{output / _FOLDER} back, or name another folder by --output_path"
        )


def load(accelerator: Accelerator, output: Path) -> Progress:
    """Restore the last checkpoint; without one, start from the beginning.

    Raises:
        CueframeError: The checkpoint cannot be read, or would run code.
    """
    found = checkpoints(output)
    if not found:
        return Progress()
    try:
        progress = _progress_of(found[-1])
        # Accelerate would run code of the first kind, and pass over a damaged file of the second.
        own = f"random_states_{accelerator.process_index}.pkl"
        for path in (*found[-1].glob("custom_checkpoint_*.pkl"), found[-1] / own):
            load_plain(path)
        accelerator.load_state(str(found[-1]))
    except Exception as error:  # its files are of three libraries, each with errors of its own
        raise CueframeError(
            f"the checkpoint {found[-1]} cannot be read ({first_line(error)}); delete it, and "
            "--resume goes on from the one before"
        ) from error
    return progress


def _progress_of(checkpoint: Path) -> Progress:
    progress = Progress(**json.loads((checkpoint / _PROGRESS).read_bytes()))
    if checkpoint.name != _name(progress.step):
        raise ValueError(f"{_PROGRESS} is of step {progress.step}")
    return progress


def remove_leftovers(output: Path) -> None:
    """Delete what killed runs left incomplete; only the process that locked `output` may do so."""
    remove_old_rendezvous(output)
    for stale in (*output.glob(".*.tmp"), *(output / _FOLDER).glob(".step-*.tmp")):
        if stale.is_dir():
            shutil.rmtree(stale)
        else:
            stale.unlink()


def cut_metrics(output: Path, progress: Progress) -> None:
    """Drop the metrics of what is still to be done, and an incomplete last line."""

    def done(line: dict[str, Any]) -> bool:
        step = int(line["step"])
        again = step == progress.step and progress.validation_due and "validation" in line
        return step <= progress.step and not again

    lines = [json.dumps(line) + "\n" for line in read_metrics(output) if done(line)]
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
    """Add a line to metrics.jsonl.

    Raises:
        CueframeError: It cannot be written.
    """
    with resumable(output), (output / _METRICS).open("a") as file:
        file.write(json.dumps(line) + "\n")


def _sync(path: Path) -> None:
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
