"""Messages of a training run, and the errors that stop it between two steps."""

import math
import time
from collections.abc import Sequence
from typing import Any

from accelerate.utils import gather_object

from index.errors import CueframeError
from index.messages import name_some, print_some, say
from infer.evaluation.score_table import ScoreTable
from infer.evaluation.text_tables import print_table, table_cells
from train.grad_cache import StepReport
from train.validation_result import Validation

_EVERY_STEPS = 10
_EVERY_S = 10.0


class StepLog:
    """Log lines on stderr: the first, the last and every tenth step, and any after 10 s of silence.

    metrics.jsonl has a line for every step.
    """

    def __init__(self, steps: int) -> None:
        self._steps = steps
        self._said_s = -math.inf

    def step(self, line: dict[str, Any]) -> None:
        """Print the line of a step if one is due."""
        now_s = time.monotonic()
        due = line["step"] % _EVERY_STEPS == 0 or now_s - self._said_s >= _EVERY_S
        if due or line["step"] == self._steps:
            self._said_s = now_s
            say(log_line(line, self._steps))


def log_line(line: dict[str, Any], steps: int) -> str:
    """Format the line of a step; the same fields, in the same order, in every step."""
    return (
        f"step {line['step']:>{len(str(steps))}}/{steps}  epoch {line['epoch']}  "
        f"loss {line['loss']:.4f}  norm {line['grad_norm']:.3f}  lr {line['lr']:.2e}  "
        f"scale {line['scale']:.2f}  bias {line['bias']:.2f}  positives {line['positives']}  "
        f"negatives {line['negatives']}  masked {line['masked']}  {line['step_s']:.2f} s"
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
