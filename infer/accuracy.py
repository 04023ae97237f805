"""How often a reader is right, whether its frames show why, and whether it knows.

    accuracy   share of the questions whose letter is right
    grounded   right, and a frame that it saw is inside the evidence: `hit`
    acc_gqa    right, and the IoP of the window from the first frame that it saw to the last is at
               least 0.5: Acc@GQA of Xiao et al., NExT-GQA, CVPR 2024, where there are ranges
    ece        expected calibration error: mean distance of confidence and accuracy, over 15 equal
               bins of the highest probability, each by its questions (Guo et al., ICML 2017)

Beside a reader stand the letter that is right most often, given to every question, and the exact
expectation of a random guess. Intervals are those of `infer.panel`. An ece is never negative, so
chance alone raises it, the more the fewer questions there are; each resample has that twice, so its
interval lies high.

Legend: N questions, V videos, R resamples, B bins.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple, get_args

import numpy as np
import numpy.typing as npt

from infer.answers import ReaderFrames
from infer.breakdown import grouped
from infer.marks import Mark, Marked, Marks
from infer.panel import Estimate, Row, estimates, interval, plain, resample, with_interval

BINS = 15
COLUMNS = ("accuracy", "grounded", "acc_gqa", "ece")


class Reading(NamedTuple):
    """What a reader is worth."""

    rows: dict[str, Row]
    """By the frames that it saw, then "most_frequent_letter" and "guess"."""
    differences: dict[str, Row]
    """Paired, of accuracy: "picked_minus_uniform" and so on."""
    letter: str
    """That is right most often."""


def reading(marked: Sequence[Marked], seed: int) -> Reading:
    """Figures, intervals and differences of one question or more; seed is the bootstrap's."""
    videos = [one.timed.video for one in marked]
    unknown = Mark(*[float("nan")] * len(Mark._fields))
    seen: list[ReaderFrames] = [
        s for s in get_args(ReaderFrames) if any(s in one.marks for one in marked)
    ]
    tables = {s: np.array([one.marks.get(s, unknown) for one in marked]) for s in seen}  # (N, 4)

    def accuracy(right: npt.NDArray[np.float64]) -> Row:
        (estimate,) = estimates(right[:, None], videos, seed)
        return {"accuracy": estimate} if estimate.questions else {}

    rows: dict[str, Row] = {}
    for shown, table in tables.items():
        ece = calibration_error(table[:, 0], table[:, 3], videos, seed)
        found = zip(COLUMNS, (*estimates(table[:, :3], videos, seed), ece), strict=True)
        rows[shown] = {name: estimate for name, estimate in found if estimate.questions}
    letter = most_frequent([one.right for one in marked])
    rows["most_frequent_letter"] = accuracy(
        np.array([float(one.right == letter) for one in marked])
    )
    rows["guess"] = accuracy(np.array([1 / one.choices for one in marked]))
    pairs = [(shown, "uniform") for shown in seen if shown != "uniform"]
    return Reading(
        rows=rows,
        differences={
            f"{one}_minus_{other}": accuracy(tables[one][:, 0] - tables[other][:, 0])
            for one, other in [*pairs, ("support", "picked")]
            if one in tables and other in tables
        },
        letter=letter,
    )


def most_frequent(letters: Sequence[str]) -> str:
    """The letter that stands most often; of several, the first in the alphabet."""
    counts = Counter(letters)
    return min(counts, key=lambda letter: (-counts[letter], letter))


def calibration_error(
    right: npt.NDArray[np.float64],
    confidence: npt.NDArray[np.float64],
    videos: Sequence[str],
    seed: int,
) -> Estimate:
    """The expected calibration error and its interval, recomputed in each resample.

    Args:
        right: (N,) 1 where the answer is right, else 0.
        confidence: (N,) the highest probability; NaN is left out. A bin has its upper end.
        videos: (N,)
        seed: The bootstrap's.
    """
    known = ~np.isnan(confidence)
    bins = np.searchsorted(np.arange(1, BINS) / BINS, confidence[known])  # 0 … B-1
    # A bin's share times its distance is the distance of its sums: no mean needs to be taken.
    gaps = np.zeros((len(right), BINS))
    gaps[known, bins] = (right - confidence)[known]
    draws = resample(videos, seed)
    by_video = draws.of_videos(gaps)  # (V, B)
    counts = draws.of_videos(known[:, None].astype(np.float64))[:, 0]  # (V,)
    many = draws.times @ counts  # (R,)
    drawn = np.abs(draws.times @ by_video).sum(axis=1) / np.where(many > 0, many, 1.0)
    total = int(counts.sum())
    mean = float(np.abs(by_video.sum(axis=0)).sum()) / total if total else float("nan")
    return Estimate(mean, *interval(drawn, counts, draws), total)


def reading_json(found: Reading, marks: Marks, name: str | None, seed: int) -> dict[str, Any]:
    """All that is told of a reader for JSON, and the same by kind of question."""

    def told(one: Reading, questions: int) -> dict[str, Any]:
        rows: dict[str, Any] = {shown: plain(row) for shown, row in one.rows.items()}
        rows["most_frequent_letter"]["letter"] = one.letter
        pairs = {pair: plain(row) for pair, row in one.differences.items()}
        return {"questions": questions, "rows": rows, "differences": pairs}

    groups = grouped([one.timed for one in marks.marked])
    return {
        "name": name,
        "unlabelled": marks.unlabelled,
        "unanswered": marks.unanswered,
        **told(found, len(marks.marked)),
        "by": {
            by: {
                group: told(reading([marks.marked[n] for n in places], seed), len(places))
                for group, places in own.items()
            }
            for by, own in groups.items()
        },
    }


def reading_cells(found: Reading, name: str | None) -> list[list[str]]:
    """A reader's figures as texts: rows down, figures across."""
    names = {"most_frequent_letter": f"always {found.letter}", "guess": "random guess"}
    lines = {names.get(shown, shown): row for shown, row in found.rows.items()}
    lines |= {pair.replace("_minus_", " − "): row for pair, row in found.differences.items()}
    body = [
        [line, str(row["accuracy"].questions), *(with_interval(name, row) for name in COLUMNS)]
        for line, row in lines.items()
        if row
    ]
    return [[f"%, {name or 'reader'}", "questions", *COLUMNS], *body]


def reading_line(found: Reading, name: str | None) -> str:
    """A reader's accuracy in one line."""
    _, *body = reading_cells(found, name)
    means = ", ".join(f"{line} {cells[1]}" for line, *cells in body[: len(found.rows)])
    return f"{name or 'reader'} is right, in per cent: {means}"
