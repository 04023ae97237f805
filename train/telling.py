"""What a run says while it trains, and the errors that stop it between two steps."""

import math
import sys
from collections.abc import Sequence
from typing import Any

from accelerate.utils import gather_object

from index.errors import CueframeError
from infer.panel import panel_cells, print_table
from train.step import StepReport
from train.validate import Validation

_NAMED = 8
"""Questions or files that a line names before it counts the rest."""


def say(line: str) -> None:
    """A line on stderr, at once."""
    print(line, file=sys.stderr, flush=True)


def named(names: Sequence[str]) -> str:
    """Some names, and how many more."""
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def log_line(line: dict[str, Any], steps: int) -> str:
    """The one line of a step; the same fields, in the same order, in every step."""
    return (
        f"step {line['step']:>{len(str(steps))}}/{steps}  epoch {line['epoch']}  "
        f"loss {line['loss']:.4f}  norm {line['grad_norm']:.3f}  lr {line['lr']:.2e}  "
        f"scale {line['scale']:.2f}  bias {line['bias']:.2f}  positives {line['positives']}  "
        f"negatives {line['negatives']}  masked {line['masked']}  {line['step_s']:.2f} s"
    )


def tell_validation(validation: Validation, title: str) -> None:
    """The panel of trained, uniform, random and oracle picks."""
    say(f"{title}: picks for {validation.panel.questions} questions")
    print_table(panel_cells(validation.panel, ["trained"]))


def tell_unreadable(files: Sequence[str]) -> None:
    """Name and count the pictures that were passed over."""
    for file in files[:_NAMED]:
        say(f"skipped: {file} cannot be read")
    if files:
        say(
            f"warning: {len(files)} pictures could not be read and were passed over; mine them "
            "anew with train/mine.py"
        )


def stop_unless_finite(report: StepReport, norm: float | None, step: int, ids: list[str]) -> None:
    """Stop all processes when one has a loss, or all have a gradient, that is not finite.

    Args:
        report: Of the step, before the optimizer's.
        norm: Of the gradient; None where a loss scaler deals with it.
        step: Counted from 1.
        ids: This process's questions in the step.

    Raises:
        CueframeError: On every process.
    """
    if math.isfinite(report.loss) and (norm is None or math.isfinite(norm)):
        return
    own = [name for name, fine in zip(ids, report.finite.tolist(), strict=False) if not fine]
    guilty: list[str] = gather_object(own) or gather_object(ids)
    what = f"loss is {report.loss}" if not math.isfinite(report.loss) else f"gradient is {norm}"
    raise CueframeError(
        f"the {what} in step {step}, before the weights changed; questions: {named(guilty)}; lower "
        "--lr, or choose --mixed_precision no, and go on by --resume"
    )
