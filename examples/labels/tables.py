"""The bench's result over all seeds, and its tables in Markdown. docs/labels.md shows them.

Legend: S seeds, N questions, M figures.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from examples.labels.measure import FIGURES
from examples.labels.runs import Trained
from examples.picks.tables import table
from infer.evaluation.bootstrap import estimates

Tables = Mapping[str, npt.NDArray[np.float64]]
"""(S, N, M) by wording."""


def by_wording(runs: Sequence[Trained]) -> dict[str, npt.NDArray[np.float64]]:
    """Stack the runs of all seeds: seen wordings, and the mean of all unseen ones of a question."""
    stacked = {name: np.stack([one.figures[name] for one in runs]) for name in runs[0].figures}
    unseen = [own for name, own in stacked.items() if name != "seen"]
    return {"seen": stacked["seen"], "unseen": np.mean(unseen, axis=0)}


def figures(own: npt.NDArray[np.float64], videos: Sequence[str], seed: int) -> dict[str, Any]:
    """Return the means over seeds and questions (S, N, M); their intervals are over the videos."""
    found = zip(FIGURES, estimates(own.mean(axis=0), videos, seed), strict=True)
    return {
        name: {"mean": one.mean, "low": one.low, "high": one.high, "by_seed": by_seed}
        for (name, one), by_seed in zip(found, own.mean(axis=1).T.tolist(), strict=True)
    }


def curve(
    runs: Mapping[tuple[str, int], Sequence[Trained]], videos: Sequence[str], seed: int
) -> dict[str, Any]:
    """Sum up the runs by recipe and number of questions."""
    return {
        f"{name}, {questions}": {
            "cpu_s": float(np.mean([one.cpu_s for one in own])),
            **{
                wording: figures(values, videos, seed)
                for wording, values in by_wording(own).items()
            },
        }
        for (name, questions), own in runs.items()
    }


def gains(
    runs: Mapping[str, Sequence[Trained]],
    before: Sequence[Trained],
    videos: Sequence[str],
    seed: int,
) -> dict[str, Any]:
    """Return what each recipe hits more than another one, of the same questions and seeds."""
    base = by_wording(before)
    return {
        name: {
            wording: figures(values - base[wording], videos, seed)
            for wording, values in by_wording(own).items()
        }
        for name, own in runs.items()
    }


def markdown(result: Mapping[str, Any]) -> str:
    """Write the curve and what each part brings."""
    shown = [(wording, name) for wording in ("seen", "unseen") for name in FIGURES]
    heads = [f"{name}, {wording}" for wording, name in shown]
    lines = [
        [row, *(_percent(own[wording][name]) for wording, name in shown), f"{own['cpu_s']:.0f}"]
        for row, own in result["curve"].items()
    ]
    parts = [
        [row, *(_percent(own[wording][name], sign="+") for wording, name in shown)]
        for row, own in result["parts"].items()
    ]
    return "\n\n".join(
        [
            table(["recipe, labelled questions", *heads, "CPU s"], lines),
            table(["part", *heads], parts),
        ]
    )


def _percent(figure: Mapping[str, Any], sign: str = "") -> str:
    mean, low, high = (100 * figure[key] for key in ("mean", "low", "high"))
    return f"{mean:{sign}.1f} ({low:{sign}.1f} … {high:{sign}.1f})"
