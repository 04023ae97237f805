"""A score curve, smoothed over seconds.

What a question asks about is on screen for longer than one sampled frame, while an unsure encoder's
errors change from frame to frame: their mean over neighbours is nearer to the truth.

Legend: Q questions of one video, F its frames.
"""

import numpy as np
import numpy.typing as npt

from index.arrays import Floats

LONGEST_SMOOTHING_S = 60
"""More would flatten what is looked for, and its cost grows with the frames in so many seconds."""


def smoothed(scores: Floats, time_s: Floats, smooth_s: float) -> npt.NDArray[np.float32]:
    """Average each score with those of frames that begin less than `smooth_s` before or after.

    The weight of a frame falls in a straight line from 1 to 0 at `smooth_s` seconds (a triangular
    kernel), and the weights are divided by their sum, so that the ends of a video, gaps and
    changing distances between frames neither raise nor lower a score. Seconds and not frames: at
    another rate of the index it is the same stretch of time. Where no other frame is that near, a
    score stays as it is. Summed in float64 and then rounded, so that frames with equal neighbours
    tie.

    scores (Q, F), time_s (F,) ascending -> (Q, F).
    """
    total = scores.astype(np.float64)
    weights = np.ones(len(time_s))
    for apart in range(1, len(time_s)):
        # To the microsecond: distances that differ by rounding alone give one weight.
        away_s = np.round(time_s[apart:] - time_s[:-apart], 6)
        weight = np.maximum(0.0, 1.0 - away_s / smooth_s) if smooth_s > 0 else 0.0 * away_s
        if not weight.any():
            break  # times ascend, so frames further apart are no nearer
        total[:, apart:] += weight * scores[:, :-apart]
        total[:, :-apart] += weight * scores[:, apart:]
        weights[apart:] += weight
        weights[:-apart] += weight
    return (total / weights).astype(np.float32)
