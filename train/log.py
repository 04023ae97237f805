"""Messages of a training run, and the errors that stop it between two steps."""

import math
import time
from collections.abc import Sequence
from typing import Any

import torch
from accelerate.utils import gather_object
from tqdm import tqdm

from index.errors import CueframeError
from index.memory import peak_bytes
from index.messages import name_some, print_some, say
from infer.evaluation.score_table import ScoreTable
from infer.evaluation.text_tables import print_table, table_cells
from train.grad_cache import StepReport
from train.validation_result import Validation

_EVERY_STEPS = 10
_EVERY_S = 10.0


class StepLog:
    """Log lines on stderr, and the figures of each step that come from the clock and the memory.

    Without `every` there is a line for the first, the last and every tenth step, and for any after
    10 s of silence; with it, for the first, the last and every `every`-th step alone. metrics.jsonl
    has a line for every step.

    Args:
        steps: Number of steps of the run.
        every: As --log_every.
        device: The device that trains, whose memory counts.
    """

    def __init__(self, steps: int, every: int | None, device: torch.device) -> None:
        self._steps = steps
        self._every = every
        self._device = device
        self._said_s = -math.inf
        self._began_s: float | None = None
        self._taken = 0
        # Since the last line.
        self._questions = 0
        self._step_s = self._data_s = 0.0

    def figures(self, step: int, questions: int, step_s: float, data_s: float) -> dict[str, float]:
        """Return a step's figures for metrics.jsonl; call it once after each step.

        Args:
            step: Number of the step, from 1.
            questions: Questions of all processes in it.
            step_s: Seconds that it took, with the wait.
            data_s: Seconds for which this process waited for its batches.

        Returns:
            `step_s` and `data_s`; `questions_per_s`; `memory_bytes`, the most that this process has
            taken so far (on a GPU, of its memory); `left_s`, the seconds that the steps left will
            take if they, and what comes between them, take as long as those of this call so far.
        """
        now_s = time.monotonic()
        if self._began_s is None:
            self._began_s = now_s - step_s
        self._taken += 1
        self._questions += questions
        self._step_s += step_s
        self._data_s += data_s
        left_s = (now_s - self._began_s) / self._taken * (self._steps - step)
        return {
            "step_s": round(step_s, 3),
            "data_s": round(data_s, 3),
            "questions_per_s": round(questions / max(step_s, 1e-9), 3),
            "memory_bytes": peak_bytes(self._device),
            "left_s": round(left_s, 1),
        }

    def step(self, line: dict[str, Any]) -> None:
        """Print the line of a step if one is due; its rates are means since the last line."""
        now_s = time.monotonic()
        step = line["step"]
        due = step % (self._every or _EVERY_STEPS) == 0 or self._said_s == -math.inf
        silent = self._every is None and now_s - self._said_s >= _EVERY_S
        if due or silent or step == self._steps:
            rates = {
                "questions_per_s": self._questions / max(self._step_s, 1e-9),
                "data_share": self._data_s / max(self._step_s, 1e-9),
            }
            say(log_line(line | rates, self._steps))
            self._said_s = now_s
            self._questions = 0
            self._step_s = self._data_s = 0.0


def log_line(line: dict[str, Any], steps: int) -> str:
    """Format the line of a step; the same fields, in the same order, in every step."""
    return (
        f"step {line['step']:>{len(str(steps))}}/{steps}  epoch {line['epoch']}  "
        f"loss {line['loss']:.4f}  norm {line['grad_norm']:.3f}  lr {line['lr']:.2e}  "
        f"scale {line['scale']:.2f}  bias {line['bias']:.2f}  positives {line['positives']}  "
        f"negatives {line['negatives']}  masked {line['masked']}  {line['step_s']:.2f} s  "
        f"{line['questions_per_s']:.1f} questions/s  waits for data {line['data_share']:.0%}  "
        f"memory {line['memory_bytes'] / 1e9:.2f} GB  left {tqdm.format_interval(line['left_s'])}"
    )


def print_validation(table: ScoreTable, title: str) -> None:
    """Print the table of trained, uniform, random and oracle picks."""
    say(f"{title}: picks for {table.questions} questions")
    print_table(table_cells(table, ["trained"]))


def say_chosen(validation: Validation, best_step: int) -> None:
    """Say by what the model is chosen, and which one is the best so far."""
    by = "the same videos: there is no second one"
    if validation.halved:
        hit, recall, precision = (f"{100 * share:.1f}" for share in validation.rank)
        by = (
            f"other videos, {validation.chosen_on.questions} questions: hit {hit} %, recall "
            f"{recall} %, precision {precision} %"
        )
    say(f"the model is chosen by {by}; the best so far is that of step {best_step}")


def print_unreadable(files: Sequence[str]) -> None:
    """Name and count the pictures that were skipped."""
    print_some("skipped", [f"{file} cannot be read" for file in files])
    if files:
        say(
            f"warning: {len(files)} pictures could not be read and were passed over; mine them "
            "anew with train/mine.py"
        )


def stop_unless_finite(
    report: StepReport, norm: float | None, step: int, ids: list[str], precision: str
) -> None:
    """Stop all processes if the loss or the gradient of a step is not finite.

    Args:
        report: Statistics of the step, before the optimizer runs.
        norm: Norm of the gradient; None if a loss scaler handles gradients that are not finite.
        step: Number of the step, from 1.
        ids: Questions of this process in the step.
        precision: As --mixed_precision: "no", "bf16" or "fp16".

    Raises:
        CueframeError: Either is not finite; raised on every process.
    """
    if math.isfinite(report.loss) and (norm is None or math.isfinite(norm)):
        return
    own = [name for name, fine in zip(ids, report.finite.tolist(), strict=False) if not fine]
    guilty: list[str] = gather_object(own) or gather_object(ids)
    what = f"loss is {report.loss}" if not math.isfinite(report.loss) else f"gradient is {norm}"
    wider = "" if precision == "no" else " or --mixed_precision no"
    remedy = f"train anew with a lower --lr{wider}"
    if step == 1:  # no learning rate has had a part in it
        remedy = f"the model computes it as it was loaded: try another --model{wider}"
    raise CueframeError(
        f"the {what} in step {step}, before the weights changed; questions: "
        f"{name_some(guilty)}; {remedy}"
    )
