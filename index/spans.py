"""Which frame is shown when: a frame is a span of time, not a moment.

A frame is shown from its time until the next frame of the *video*, which need not be a row of the
index; the last one until the video ends. It is shown at the moment s if

    time_s − 1e-4  ≤  s  <  end_s − 1e-4

and during a stretch of time, ends included, if it is shown at any moment of it. The decoders choose
by the same rule (`index.decoding.frame_types`). A screen recording has one frame for a minute: it
holds evidence for that whole minute, not for its first moment alone.

A frame whose end is not known is a moment: its end is its time.

Legend: F frames in order of time, E stretches of time or moments.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from index.arrays import Bools, Floats, Integers

TIME_TOLERANCE_S = 1e-4
"""Labels and sample times are rounded decimals; a frame up to this much later still matches."""
_TIE_S = 1e-9
"""Sums of times are rounded: two frames whose distances differ by less are as near."""


class Spans(NamedTuple):
    """When some frames are shown."""

    time_s: Floats
    """(F,) seconds from the first shown frame."""
    end_s: Floats
    """(F,) ends; equal to the time where the end is not known."""


class Timeline(NamedTuple):
    """The frames of a video, or those of them that an index has, on its timeline."""

    time_s: Floats
    """(F,) seconds from the first shown frame, ascending."""
    end_s: Floats
    """(F,) ends of the spans in which the frames are shown."""
    duration_s: float
    """End of the video."""


def until_next(time_s: Floats, last_end_s: float = np.inf) -> Floats:
    """Return ends (F,) of frames (F,) that are all the frames of their video."""
    return np.append(time_s[1:], last_end_s)


def shown_during(
    time_s: Floats,
    end_s: Floats,
    stretches_s: npt.ArrayLike,
    tolerance_s: float = TIME_TOLERANCE_S,
) -> Bools:
    """Return (E, F) which of the frames (F,) are shown during which of the stretches (E, 2)."""
    stretches = np.asarray(stretches_s, np.float64).reshape(-1, 2)
    starts, ends = stretches[:, :1], stretches[:, 1:]
    # A frame that begins in a stretch is shown during it, however short it is.
    late_enough = (end_s > starts + tolerance_s) | (time_s >= starts - tolerance_s)
    shown: Bools = late_enough & (time_s <= ends + tolerance_s)
    return shown


def cut(frames: Spans, start_s: float, end_s: float) -> Spans:
    """Cut the spans of frames (F,) at both ends of a stretch.

    A frame that is not shown during the stretch is left as it is.
    """
    inside = shown_during(*frames, [start_s, end_s])[0]
    return Spans(*(np.where(inside, np.clip(s, start_s, end_s), s) for s in frames))


def seconds_away(time_s: Floats, end_s: Floats, moments_s: npt.ArrayLike) -> Floats:
    """Return (E, F) the seconds from each moment (E,) to the span of each frame, 0 inside it."""
    moments = np.asarray(moments_s, np.float64).reshape(-1, 1)
    away: Floats = np.maximum(0.0, np.maximum(time_s - moments, moments - end_s))
    return away


def rows_shown_at(time_s: Floats, end_s: Floats, moments_s: npt.ArrayLike) -> Integers:
    """Return (E,) the rows of the frames shown at moments (E,).

    Where none of the frames is shown then, as between the rows of an index or past the end, it is
    the one whose span is nearest, the earlier on a tie. F ≥ 1.
    """
    moments = np.asarray(moments_s, np.float64)
    begun = np.searchsorted(time_s, moments + TIME_TOLERANCE_S, side="right")
    before, after = np.maximum(begun - 1, 0), np.minimum(begun, len(time_s) - 1)
    over = moments + TIME_TOLERANCE_S >= end_s[before]
    nearer = time_s[after] + end_s[before] < 2 * moments - _TIE_S
    rows: Integers = np.where(over & nearer, after, before)
    return rows


def spans_shown_at(time_s: Floats, end_s: Floats, moments_s: npt.ArrayLike) -> Spans:
    """Return the spans (E,) of the frames shown at moments (E,).

    Where none of the frames is shown then, nobody knows how long the one that is: it is a moment.
    """
    moments = np.asarray(moments_s, np.float64)
    rows = rows_shown_at(time_s, end_s, moments)
    late = moments + TIME_TOLERANCE_S
    shown = (time_s[rows] <= late) & (late < end_s[rows])
    return Spans(np.where(shown, time_s[rows], moments), np.where(shown, end_s[rows], moments))
