"""A question's timeline as a chart: the positions of times, and the curve of its scores.

Horizontal positions are in per cent of the timeline, so that a chart fills whatever width it has.

Legend: F rows of a video, P picks.
"""

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from index.arrays import Floats

CURVE_BOX = 1000
"""Width and height of the box in which `curve` draws."""
_COLUMNS = 250
"""Columns of a curve; if they hold more than two rows each, only the lowest and highest of each
column are drawn."""
_MOST_TICKS = 6
_STEPS_S = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600)


class Curve(NamedTuple):
    """A curve as it is drawn: a thousand questions about a long video have many scores."""

    path: str
    """From `curve`."""
    low: float
    """The lowest score."""
    high: float
    """The highest score."""
    picks: Floats
    """(P,) the `heights` of the picks."""


def share(time_s: float, duration_s: float) -> float:
    """Return a time's position, 0 to 100 with two decimals; times outside are at the ends."""
    return round(100 * min(1.0, max(0.0, time_s / duration_s)), 2) if duration_s > 0 else 0.0


def clock(time_s: float, duration_s: float, digits: int = 2) -> str:
    """Format a time: "3.44 s", in videos of a minute and more "1:03.44" or "1:01:03"."""
    time_s = round(time_s, digits)
    if duration_s < 60:
        return f"{time_s:.{digits}f} s"
    minutes, seconds = divmod(time_s, 60)
    hours, minutes = divmod(int(minutes), 60)
    width = digits + 3 if digits else 2
    lead = f"{hours}:{minutes:02d}" if hours else f"{minutes}"
    return f"{lead}:{seconds:0{width}.{digits}f}"


def ticks(duration_s: float) -> list[tuple[float, str]]:
    """Return position in per cent and text of the round times on the axis, six at most after 0."""
    step_s = next((s for s in _STEPS_S if duration_s / s <= _MOST_TICKS), 0.0)
    step_s = step_s or 3600 * math.ceil(duration_s / (3600 * _MOST_TICKS))
    digits = 0 if step_s >= 1 else 1
    times_s = [n * step_s for n in range(int(duration_s / step_s + 1e-9) + 1)]
    return [(share(t, duration_s), clock(t, duration_s, digits)) for t in times_s]


def heights(scores: Floats, of: Floats) -> Floats:
    """Scale scores (N,) to heights, from 0 for the lowest of all scores (F,) to 1 for the highest.

    If all scores are equal, every height is 0.5.
    """
    low, high = float(of.min()), float(of.max())
    if not high > low:
        return np.full(len(scores), 0.5)
    scaled: Floats = np.clip((scores.astype(np.float64) - low) / (high - low), 0.0, 1.0)
    return scaled


def curve_of(time_s: Floats, scores: Floats, duration_s: float, picked_s: Floats) -> Curve:
    """Draw scores (F,) at times (F,), with the picks at times (P,).

    Picks lie on the curve, even where an answer's own score differs from it.
    """
    return Curve(
        path=curve(time_s, scores, duration_s),
        low=float(scores.min()),
        high=float(scores.max()),
        picks=heights(np.interp(picked_s, time_s, scores), scores),
    )


def curve(time_s: Floats, scores: Floats, duration_s: float) -> str:
    """Return the SVG path of scores (F,) at times (F,), in a box of `CURVE_BOX`, highest on top.

    Of many rows only the lowest and the highest in each column are kept: no peak is lost.
    """
    rows = _extremes(scores)
    across = [round(CURVE_BOX / 100 * share(t, duration_s), 1) for t in time_s[rows].tolist()]
    down = np.round(CURVE_BOX * (1 - heights(scores[rows], scores))).astype(int).tolist()
    return "M" + "L".join(f"{x:g},{y}" for x, y in zip(across, down, strict=True))


def _extremes(scores: Floats) -> npt.NDArray[np.int64]:
    """Return the rows of scores (F,) to draw, ascending."""
    if len(scores) <= 2 * _COLUMNS:
        return np.arange(len(scores))
    kept = set()
    for column in np.array_split(np.arange(len(scores)), _COLUMNS):
        kept |= {int(column[scores[column].argmin()]), int(column[scores[column].argmax()])}
    return np.array(sorted(kept))
