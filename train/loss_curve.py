"""The curves of a run, from metrics.jsonl: its loss, learning rate and validations."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from index.arrays import Floats
from index.storage.atomic_write import written_whole
from train.checkpoint import read_metrics

_WINDOW = 0.05
"""Share of the run over which the loss is smoothed."""


def draw_loss(output: Path, kept_step: int) -> None:
    """Draw OUTPUT/loss.png: the loss and its moving average, hits and learning rate by step.

    Args:
        output: A folder with metrics.jsonl.
        kept_step: Step of the saved weights; marked by a vertical line.
    """
    lines = list(read_metrics(output))
    steps = [line for line in lines if "loss" in line]
    validations = [line for line in lines if "validation" in line]
    figure = Figure(figsize=(7, 6 if validations else 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    heights = [3, 2, 1] if validations else [3, 1]
    axes = figure.subplots(len(heights), sharex=True, height_ratios=heights)
    _draw_losses(axes[0], steps)
    if validations:
        _draw_hits(axes[1], validations)
    axes[-1].plot(_of(steps, "step"), _of(steps, "lr"), color="tab:green")
    axes[-1].set_ylabel("learning rate")
    axes[-1].set_ylim(bottom=0)
    axes[-1].set_xlabel("step")
    axes[-1].xaxis.set_major_locator(MaxNLocator(integer=True))
    for one in axes:
        one.axvline(kept_step, color="black", linestyle=":", label=f"step {kept_step}, saved")
        one.grid(alpha=0.3)
    axes[0].legend(loc="upper right")
    with written_whole(output / "loss.png") as temporary:
        figure.savefig(temporary, format="png", dpi=120)


def _draw_losses(axes: Any, steps: Sequence[dict[str, Any]]) -> None:
    number, loss = _of(steps, "step"), _of(steps, "loss")
    width = smoothing_width(len(loss))
    axes.plot(
        number, loss, color="tab:blue", alpha=0.3 if width > 1 else 1, linewidth=1, label="loss"
    )
    if width > 1:
        label = f"mean of {width} steps"
        axes.plot(number, moving_average(loss, width), color="tab:blue", label=label)
    axes.set_ylabel("loss")


def _draw_hits(axes: Any, validations: Sequence[dict[str, Any]]) -> None:
    number = _of(validations, "step")
    tables = [line["validation"] for line in validations]
    hits = [100 * table["trained"]["hit"] for table in tables]
    chosen_on = [line.get("chosen_on") for line in validations]
    if all(chosen_on):
        chosen = [100 * half["validation"]["trained"]["hit"] for half in chosen_on if half]
        label = "trained, videos that choose the step"
        axes.plot(number, chosen, "o-", color="tab:orange", alpha=0.4, label=label)
        axes.plot(number, hits, "o-", color="tab:orange", label="trained, videos that report")
    else:
        axes.plot(number, hits, "o-", color="tab:orange", label="trained")
    # The same videos and questions at every validation.
    uniform = 100 * tables[-1]["uniform"]["hit"]
    axes.axhline(uniform, color="tab:gray", linestyle="--", label="uniform")
    axes.set_ylim(-3, 103)
    axes.set_ylabel("validation hits, %")
    axes.legend(loc="best")


def smoothing_width(steps: int) -> int:
    """Return the steps of a moving average: an odd number, 1 for a run too short to smooth."""
    width = int(_WINDOW * steps)
    return max(1, width | 1 if steps < 10 else max(3, width | 1))


def moving_average(values: npt.ArrayLike, width: int) -> Floats:
    """Return the mean of the `width` values around each; at the ends, of those that there are.

    Args:
        values: (N,) numbers.
        width: An odd number.
    """
    given = np.asarray(values, np.float64)
    window = np.ones(width)
    sums = np.convolve(given, window, "full")[width // 2 :][: len(given)]
    counts = np.convolve(np.ones(len(given)), window, "full")[width // 2 :][: len(given)]
    means: Floats = sums / counts
    return means


def _of(lines: Sequence[dict[str, Any]], name: str) -> Floats:
    return np.array([line[name] for line in lines], np.float64)
