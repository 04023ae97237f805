"""Compute `sim_m` of many pickers, decoding each video and judging each distinct image once.

Legend: N questions, F rows of a video, P picks, E true frames, T thresholds, D width of a vector.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from index.arrays import Floats
from index.boundary import costs_one
from index.decoding.decoders import frames_at
from index.messages import say
from index.progress import bar
from infer.evaluation.baselines import of_matches
from infer.evaluation.draws import with_draws
from infer.evaluation.score_table import each_k
from infer.judge import SIM_THRESHOLDS, Judge, judge_vectors, weakest_match
from infer.metrics import TimedQuestion, every

SIM_COLUMNS = [f"sim_{threshold}" for threshold in SIM_THRESHOLDS]
_THRESHOLDS = np.array(SIM_THRESHOLDS)


def sim_tables(
    timed: Sequence[TimedQuestion],
    picks: Mapping[str, Sequence[Floats]],
    file_of: Callable[[str], Path],
    judge: Judge,
    k: int | Sequence[int],
    *,
    every_row: bool,
) -> dict[str, npt.NDArray[np.float64]]:
    """Compute `infer.metrics.sim_m` at all thresholds for each picker.

    Random and oracle need every row of a video judged, not only the picked ones.

    Args:
        timed: The N questions.
        picks: For each picker's name, the times in seconds of its picks for each question.
        file_of: Returns the file of a `TimedQuestion.video`; may raise VideoError.
        judge: From `infer.judge.load_judge`.
        k: K of random and oracle, for all questions or (N,) for each.
        every_row: Judge every row; else random and oracle are all NaN.

    Returns:
        (N, T) by picker; NaN for a question without support times, or whose video cannot be
        decoded, which is reported on stderr.
    """
    names = (*picks, "random", "oracle")
    tables = {name: np.full((len(timed), len(_THRESHOLDS)), np.nan) for name in names}
    videos: dict[str, list[int]] = {}
    for n, one in enumerate(timed):
        if one.question.support_frames:
            videos.setdefault(one.video, []).append(n)
    judged: list[tuple[list[int], list[float], int]] = []

    def stream() -> Iterator[Image.Image]:
        """Yield the frames of all videos; `judged` gets the position of each video's first."""
        count = 0
        failed: dict[int, str] = {}
        for video, numbers in bar(videos.items(), "video", len(videos)):
            times_s = _wanted_s([timed[n] for n in numbers], every_row=every_row)
            times_s |= {t for own in picks.values() for n in numbers for t in own[n].tolist()}
            start = count
            with costs_one(failed, len(numbers)):
                for frame in frames_at(file_of(video), sorted(times_s)):
                    yield frame.image
                    count += 1
                judged.append((numbers, sorted(times_s), start))
            for asked, reason in failed.items():
                say(f"failed: no sim_m for {asked} questions: {reason}")
            failed.clear()

    ks = each_k(k, len(timed))
    vectors, rows = judge_vectors(stream(), judge)
    for numbers, times_s, start in judged:
        row_at = dict(zip(times_s, rows[start:].tolist(), strict=False))
        asked = [timed[n] for n in numbers]
        of_draws, frames = None, vectors
        for place, one, draws in with_draws(asked, [ks[n] for n in numbers]):
            n = numbers[place]
            true = vectors[[row_at[time_s] for time_s in one.question.support_frames]]  # (E, D)
            for name, own in picks.items():
                picked = vectors[[row_at[time_s] for time_s in own[n].tolist()]]  # (P, D)
                tables[name][n] = weakest_match(true, picked) >= _THRESHOLDS
            if every_row:
                if draws is not of_draws:  # of other rows than the question before
                    frames = vectors[[row_at[time_s] for time_s in one.time_s.tolist()]]  # (F, D)
                    of_draws = draws
                alike = true @ frames.T
                both = [of_matches(alike >= m, draws, "spans", every) for m in _THRESHOLDS]
                tables["random"][n], tables["oracle"][n] = zip(*both, strict=True)
    return tables


def _wanted_s(timed: Sequence[TimedQuestion], *, every_row: bool) -> set[float]:
    """Return the support times of a video's questions and, if `every_row`, all rows' times."""
    wanted = {time_s for one in timed for time_s in one.question.support_frames}
    rows = (one.time_s.tolist() for one in timed) if every_row else ()
    return wanted.union(*rows)
