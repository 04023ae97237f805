"""Metrics of a reader: accuracy, grounding and calibration.

    accuracy   share of the questions whose letter is right
    grounded   right, and a frame that it saw is inside the evidence: `hit`
    acc_gqa    right, and the IoP of the window from the first frame that it saw to the last is at
               least 0.5: Acc@GQA of Xiao et al., NExT-GQA, CVPR 2024, where there are ranges
    ece        expected calibration error: mean distance of confidence and accuracy over 15 equal
               bins of the highest probability, weighted by questions (Guo et al., ICML 2017)

Baselines of a reader are the letter that is right most often, given to every question, and the
exact expectation of a random guess. Intervals are those of `infer.evaluation.bootstrap`. An ece is
never negative, so chance alone raises it, the more the fewer questions there are; each resample
adds this bias once more, so the interval lies high.

Legend: N questions, V videos, R resamples, B bins.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple, get_args

import numpy as np
import numpy.typing as npt

from infer.answer_file import ReaderFrames
from infer.evaluation.bootstrap import Estimate, estimates, interval, resample
from infer.evaluation.breakdown import grouped
from infer.evaluation.grading import Grade, GradedAnswers, GradedQuestion
from infer.evaluation.score_table import Row
from infer.evaluation.text_tables import format_estimate, row_json

BINS = 15
COLUMNS = ("accuracy", "grounded", "acc_gqa", "ece")


class ReaderScores(NamedTuple):
    """Scores of a reader and its baselines."""

    rows: dict[str, Row]
    """Rows by the frames that it saw, then "most_frequent_letter" and "guess"."""
    differences: dict[str, Row]
    """Paired differences of accuracy: "picked_minus_uniform" and so on."""
    letter: str
    """The letter that is right most often."""


def score_reader(graded: Sequence[GradedQuestion], seed: int) -> ReaderScores:
    """Compute figures, intervals and differences of one or more questions; seed: bootstrap's."""
    videos = [one.timed.video for one in graded]
    unknown = Grade(*[float("nan")] * len(Grade._fields))
    seen: list[ReaderFrames] = [
        s for s in get_args(ReaderFrames) if any(s in one.grades for one in graded)
    ]
    tables = {s: np.array([one.grades.get(s, unknown) for one in graded]) for s in seen}  # (N, 4)

    def accuracy(right: npt.NDArray[np.float64]) -> Row:
        (estimate,) = estimates(right[:, None], videos, seed)
        return {"accuracy": estimate} if estimate.questions else {}

    rows: dict[str, Row] = {}
    for shown, table in tables.items():
        ece = calibration_error(table[:, 0], table[:, 3], videos, seed)
        found = zip(COLUMNS, (*estimates(table[:, :3], videos, seed), ece), strict=True)
        rows[shown] = {name: estimate for name, estimate in found if estimate.questions}
    letter = most_frequent([one.right[0] for one in graded])
    rows["most_frequent_letter"] = accuracy(
        np.array([float(letter in one.right) for one in graded])
    )
    rows["guess"] = accuracy(np.array([len(one.right) / one.choices for one in graded]))
    pairs = [(shown, "uniform") for shown in seen if shown != "uniform"]
    return ReaderScores(
        rows=rows,
        differences={
            f"{one}_minus_{other}": accuracy(tables[one][:, 0] - tables[other][:, 0])
            for one, other in [*pairs, ("support", "picked")]
            if one in tables and other in tables
        },
        letter=letter,
    )


def most_frequent(letters: Sequence[str]) -> str:
    """Return the most frequent letter; on a tie, the first in the alphabet."""
    counts = Counter(letters)
    return min(counts, key=lambda letter: (-counts[letter], letter))


def calibration_error(
    right: npt.NDArray[np.float64],
    confidence: npt.NDArray[np.float64],
    videos: Sequence[str],
    seed: int,
) -> Estimate:
    """Compute the expected calibration error and its interval, recomputing it in each resample.

    Args:
        right: (N,) 1 where the answer is right, else 0.
        confidence: (N,) the highest probability; NaN is left out. A bin includes its upper end.
        videos: (N,) each question's video.
        seed: Seed of the bootstrap.
    """
    known = ~np.isnan(confidence)
    bins = np.searchsorted(np.arange(1, BINS) / BINS, confidence[known])  # 0 … B-1
    # A bin's weight times the distance of its means is the distance of its sums: no means needed.
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


def reader_json(
    found: ReaderScores, grades: GradedAnswers, name: str | None, seed: int
) -> dict[str, Any]:
    """Return a reader's scores for JSON, in total and by kind of question."""

    def told(one: ReaderScores, questions: int) -> dict[str, Any]:
        rows: dict[str, Any] = {shown: row_json(row) for shown, row in one.rows.items()}
        rows["most_frequent_letter"]["letter"] = one.letter
        pairs = {pair: row_json(row) for pair, row in one.differences.items()}
        return {"questions": questions, "rows": rows, "differences": pairs}

    groups = grouped([one.timed for one in grades.graded])
    return {
        "name": name,
        "unlabelled": grades.unlabelled,
        "unanswered": grades.unanswered,
        "not_graded": len(grades.wrong),
        **told(found, len(grades.graded)),
        "by": {
            by: {
                group: told(score_reader([grades.graded[n] for n in places], seed), len(places))
                for group, places in own.items()
            }
            for by, own in groups.items()
        },
    }


def reader_cells(found: ReaderScores, name: str | None) -> list[list[str]]:
    """Format a reader's figures as a table of texts: rows down, figures across."""
    names = {"most_frequent_letter": f"always {found.letter}", "guess": "random guess"}
    lines = {names.get(shown, shown): row for shown, row in found.rows.items()}
    lines |= {pair.replace("_minus_", " − "): row for pair, row in found.differences.items()}
    body = [
        [line, str(row["accuracy"].questions), *(format_estimate(name, row) for name in COLUMNS)]
        for line, row in lines.items()
        if row
    ]
    return [[f"%, {name or 'reader'}", "questions", *COLUMNS], *body]


def reader_line(found: ReaderScores, name: str | None) -> str:
    """Format a reader's accuracy in one line."""
    _, *body = reader_cells(found, name)
    means = ", ".join(f"{line} {cells[1]}" for line, *cells in body[: len(found.rows)])
    return f"{name or 'reader'} is right, in per cent: {means}"
