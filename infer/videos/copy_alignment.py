"""Whether one video shows a part of another, told from the vectors of their frames.

A copy that was trimmed, scaled or encoded anew has other bytes, but its frames give nearly the same
vectors, all at one shift in time. How near is near depends on the encoder (an untrained one finds
all frames alike) and on the video (one place looks alike for hours). So each frame is measured with
the video's own scale: a few moments of it that differ most are chosen, and each must be nearer to
the other video's frame at the same shift than to any other of these moments.

G: frames on a grid of `STEP_S`, K: moments, D: width of a vector.
"""

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from index.arrays import Integers
from index.spans import Timeline, rows_shown_at

STEP_S = 0.5
_MOST_PLACES = 1 << 16
"""Of the grid, nine hours: what comes later is not looked at. A damaged file may claim years."""
_MOST_MOMENTS = 12
_FRAMES_EACH = 3
"""Frames of the grid for each moment, so that neighbours are not all moments."""
_FEWEST_MOMENTS = 5
_SLACK = 1
"""Steps of the grid by which a frame may be off: those of a trimmed copy lie between the others."""
_NOISE = 1e-6
"""Squared distance that rounding to float16 may make; below it nothing changes in a video."""
_QUIET = 0.2
_CLEARLY = 4
"""Times the squared distance of neighbours in time, where little changes (its `_QUIET` quantile),
by which moments are apart: noise tells no moment from another."""
_ALIKE = 1e-3
"""Scores that differ by less are equal."""
_LEAST_SCORE = 0.6
_LEAST_SHARE = 0.5
"""Share of the moments, by weight, that must lie in the other video: two clips of one film whose
ends overlap by less are not taken for copies."""

Course = npt.NDArray[np.float32]
"""(G, D) unit vectors of a video, one every `STEP_S` seconds from its first frame on."""


class Moments(NamedTuple):
    """The moments of a video that differ most from each other."""

    places: Integers
    """(K,) places on the grid."""
    vectors: npt.NDArray[np.float32]
    """(K, D)"""
    apart: npt.NDArray[np.float32]
    """(K,) squared distance to the nearest of the others."""
    weights: npt.NDArray[np.float32]
    """(K,) as `apart`, but none above the third largest: a black frame alone tells little."""

    def kept(self, distances: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Return how well each moment is found, from 0 to 1, at squared distances (K, any)."""
        found: npt.NDArray[np.float32] = np.clip(1 - distances / self.apart[:, None], 0, 1)
        return found


class Alignment(NamedTuple):
    """The best shift between two videos."""

    shift_s: float
    """Seconds after the whole's first frame at which the part's first frame is shown."""
    score: float
    """1: the moments are found as they are; 0: nothing is nearer than a moment of its own."""


def on_grid(
    embeddings: npt.NDArray[np.float16 | np.float32], timeline: Timeline, step_s: float = STEP_S
) -> Course:
    """Return a video's vectors at equal distances in time.

    Args:
        embeddings: (F, T, D) unit vectors of its frames; the mean of a frame's T tiles counts.
        timeline: When the frames are shown.
        step_s: Seconds between two places of the grid.
    """
    time_s, end_s, duration_s = timeline
    if not len(time_s):
        return np.empty((0, embeddings.shape[-1]), np.float32)
    last_s = max(duration_s, float(time_s[-1]) + step_s)
    places = min(_MOST_PLACES, math.ceil((last_s - time_s[0]) / step_s))
    grid_s = time_s[0] + step_s * np.arange(places)
    rows = rows_shown_at(time_s, end_s, grid_s)
    frames = embeddings.astype(np.float32).mean(axis=1)
    frames /= np.maximum(np.linalg.norm(frames, axis=1, keepdims=True), 1e-12)
    course: Course = frames[rows]
    return course


def moments_of(course: Course) -> Moments | None:
    """Choose the moments of a video, each the farthest from those before (k-center, Gonzalez 1985).

    No further one is chosen that is as near to one of them as quiet neighbours in time.

    Returns:
        The moments; None if it is too short, or nothing changes in it, so that nothing can be told.
    """
    wanted = min(_MOST_MOMENTS, len(course) // _FRAMES_EACH)
    if wanted < _FEWEST_MOMENTS:
        return None
    steps = _squared((course[1:] * course[:-1]).sum(axis=1))
    least = max(_NOISE, _CLEARLY * float(np.quantile(steps, _QUIET)))
    away = ((course - course.mean(axis=0)) ** 2).sum(axis=1)
    places = [int(away.argmax())]
    away = _squared(course @ course[places[0]])
    while len(places) < wanted and away.max() >= least:
        places.append(int(away.argmax()))
        away = np.minimum(away, _squared(course @ course[places[-1]]))
    if len(places) < _FEWEST_MOMENTS:
        return None
    vectors = course[places]
    between = _squared(vectors @ vectors.T)
    np.fill_diagonal(between, np.inf)
    apart = between.min(axis=1)
    return Moments(np.array(places), vectors, apart, np.minimum(apart, np.sort(apart)[-3]))


def align(part: Moments, whole: Course, shifts: Integers | None = None) -> Alignment | None:
    """Find the shift at which most moments of a video are found in another.

    Args:
        part: Moments of the video that may be a copy of a part of the other.
        whole: The other video.
        shifts: (L,) the shifts to try, in steps of the grid; None tries all.

    Returns:
        The best shift; None if at none of them enough moments lie in the other video.
    """
    if not len(whole):
        return None
    distances = _squared(part.vectors @ whole.T)  # (K, G)
    if shifts is None:
        shifts = np.arange(-int(part.places.max()), len(whole) - int(part.places.min()))
    at = part.places[:, None] + shifts  # (K, L)
    inside = (at >= 0) & (at < len(whole))
    at = np.clip(at, 0, len(whole) - 1)
    weights = np.where(inside, part.weights[:, None], 0)
    total = weights.sum(axis=0)
    enough = (total >= _LEAST_SHARE * part.weights.sum()) & (inside.sum(axis=0) >= _FEWEST_MOMENTS)
    if not enough.any():
        return None

    def scores(of: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        kept = part.kept(np.take_along_axis(of, at, axis=1))  # (K, L)
        return np.where(enough, (kept * weights).sum(axis=0) / np.maximum(total, 1e-12), -1)

    found = scores(_with_slack(distances))
    # The slack makes neighbouring shifts as good; of these the one that needs it least.
    alike = found >= found.max() - _ALIKE
    best = int(np.where(alike, scores(distances), -2).argmax())
    return Alignment(float(shifts[best]) * STEP_S, float(found[best]))


def copy_in(part: Course, moments: Moments, whole: Course) -> Alignment | None:
    """Find where a video shows a part of another, if it does.

    At the shift at which the part's moments fit best, those of what the other video shows there
    must be found in the part as well: videos of the same few events may agree by chance one way.

    Args:
        part: The video that may be a copy.
        moments: Its moments.
        whole: The other video.

    Returns:
        The shift, with the lower of both scores; None if it shows no part of it.
    """
    there = align(moments, whole)
    if there is None or there.score < _LEAST_SCORE:
        return None
    shift = round(there.shift_s / STEP_S)
    first, last = max(shift, 0), min(shift + len(part), len(whole))
    shown = moments_of(whole[first:last])
    if shown is None:
        return None
    slack = np.arange(-_SLACK, _SLACK + 1)
    back = align(shown, part[first - shift : last - shift], slack)
    if back is None or back.score < _LEAST_SCORE:
        return None
    return Alignment(there.shift_s, min(there.score, back.score))


def _with_slack(distances: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return for each place (K, G) the least distance among those up to `_SLACK` steps away."""
    near = distances.copy()
    for steps in range(1, _SLACK + 1):
        near[:, steps:] = np.minimum(near[:, steps:], distances[:, :-steps])
        near[:, :-steps] = np.minimum(near[:, :-steps], distances[:, steps:])
    return near


def _squared(cosines: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return the squared distances of unit vectors."""
    squared: npt.NDArray[np.float32] = np.maximum(2 - 2 * cosines, 0)
    return squared
