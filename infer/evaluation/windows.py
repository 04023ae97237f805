"""IoP and IoU: how well the window from the first pick's start to the last one's end fits a range.

As Xiao et al. define them, NExT-GQA, CVPR 2024, arXiv 2309.01327, where a window of no length has
IoU 0 and IoP 1 or 0, and the keyframes of a selector (SeViLA) give the window from the first to the
last. A strategy that spreads its picks over the whole video has a wide window: compare both with
the oracle's.

Legend: E support ranges of a question, W windows; these may be of any shape, to which their starts
and ends broadcast. The figure of a window is that with the range that fits it best.
"""

from collections.abc import Callable

import numpy as np

from index.arrays import Floats
from index.spans import Spans, shown_during
from infer.metrics import TimedQuestion


def iop(start_s: Floats, end_s: Floats, ranges_s: Floats) -> Floats:
    """Return (E, W) intersection over prediction of windows (W,) with each of ranges (E, 2)."""
    length = end_s - start_s
    found: Floats = _shared(start_s, end_s, ranges_s) / np.where(length > 0, length, 1)
    points = length <= 0
    if points.any():
        from_s, to_s = (np.broadcast_to(s, length.shape)[points] for s in (start_s, end_s))
        found[:, points] = shown_during(from_s, to_s, ranges_s)
    return found


def iou(start_s: Floats, end_s: Floats, ranges_s: Floats) -> Floats:
    """Return (E, W) intersection over union of windows (W,) with each of ranges (E, 2)."""
    starts, ends = _beside(ranges_s, start_s, end_s)
    whole = np.maximum(end_s, ends) - np.minimum(start_s, starts)  # (E, W), NExT-GQA's union
    shared = _shared(start_s, end_s, ranges_s)
    found: Floats = shared / np.where(whole > 0, whole, 1)
    return found


def _shared(start_s: Floats, end_s: Floats, ranges_s: Floats) -> Floats:
    """Return (E, W) the seconds in which ranges and windows overlap."""
    starts, ends = _beside(ranges_s, start_s, end_s)
    shared: Floats = np.maximum(0.0, np.minimum(end_s, ends) - np.maximum(start_s, starts))
    return shared


def _beside(ranges_s: Floats, start_s: Floats, end_s: Floats) -> tuple[Floats, Floats]:
    """Return starts and ends of ranges (E, 2) as (E, 1, …), to broadcast with windows."""
    shape = (-1, *[1] * max(start_s.ndim, end_s.ndim))
    return ranges_s[:, 0].reshape(shape), ranges_s[:, 1].reshape(shape)


def window(
    overlap: Callable[[Floats, Floats, Floats], Floats],
    timed: TimedQuestion,
    picked: Spans,
    _k: int,
) -> float:
    """Compute `iop` or `iou` of the window of the picks; NaN without ranges."""
    ranges_s = np.array(timed.question.support_ranges, np.float64)
    if not len(ranges_s):
        return float("nan")
    if not len(picked.time_s):
        return 0.0
    return float(overlap(picked.time_s[:1], picked.end_s[-1:], ranges_s).max())
