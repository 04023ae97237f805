"""Questions on the timeline of a video that no index has: only its length is known.

If a question asks about a part of its video, what follows is said of this part.

A moment is all that another tool tells of its picks, so the candidates of the baselines are
moments, too. Each of the K segments is cut into an odd number of equal parts, and the middle of
each part is a candidate. So every segment is covered evenly, and its own middle is a candidate,
which uniform takes exactly.

A grid of n / fps would do worse: labels end on whole seconds, just where such a grid has
candidates. With two a second, three would be in a range of one second, and random would hit it with
one and a half times its chance.
"""

import functools
import math

import numpy as np

from index.arrays import Floats
from index.decoding.sampler import DEFAULT_FPS
from infer.metrics import TimedQuestion
from infer.questions import Question
from infer.videos.video_names import comparable

LEAST_PARTS = 3
"""Candidates of a segment, at least, so that random is not uniform where segments are short."""
MOST_CANDIDATES = 20_000
"""Candidates of a video, about: from 2.8 hours on they stand further apart."""


def candidates(duration_s: float, k: int, fps: float = DEFAULT_FPS) -> Floats:
    """Return the moments (F,) in seconds that could be picked: at least fps of them in a second."""
    parts = math.ceil(min(duration_s * fps, MOST_CANDIDATES) / k)
    frames = k * max(LEAST_PARTS, parts + 1 - parts % 2)
    middles: Floats = (np.arange(frames) + 0.5) / frames * duration_s
    return middles


def without_index(question: Question, k: int) -> TimedQuestion:
    """Put a question on the timeline of its video, or part, of which K frames are picked.

    Without a duration, or where the video ends before the part begins, it has no candidates.
    """
    start_s, end_s = question.span_s or (0.0, math.inf)
    length_s = min(end_s, question.duration_s or end_s) - start_s
    known = 0 < length_s < math.inf
    moments_s = _candidates_of_part(start_s, length_s, k) if known else np.empty(0)
    return TimedQuestion(
        question,
        moments_s,
        moments_s,
        length_s if known else math.nan,
        comparable(question.video_path),
        start_s=start_s,
        tolerance_s=0.0,
    )


@functools.lru_cache(maxsize=256)
def _candidates_of_part(start_s: float, length_s: float, k: int) -> Floats:
    """Return the `candidates` of a part: one array, which the questions about it share."""
    moments_s: Floats = start_s + candidates(length_s, k)
    moments_s.setflags(write=False)
    return moments_s
