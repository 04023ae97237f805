"""Measure the coverage of --frames auto over many splits of labelled videos.

    python examples/picks/coverage.py demo/scenes/train/train.json --index video_index

Each split calibrates on some of the videos and answers the questions about the others. Printed for
each promised coverage: the mean over the splits of the coverage found (each video weighs the same),
its standard error, the mean number of frames, and the fixed number of best hills that covers as
many questions, if there is one of up to `MOST` frames.
"""

import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tyro

from index.arrays import Bools, Floats
from infer.asked_indexes import asked_indexes
from infer.evaluation.conformal import fewest_videos, floor_of, threshold_of
from infer.evaluation.evidence_curves import evidence_curves
from infer.evaluation.rule_picks import Reading, ask
from infer.metrics import is_labelled
from infer.question_files.loading import load_questions
from infer.selection.nested import distances

SPLITS = 200
MOST = 30


class Found(NamedTuple):
    """What a promised coverage came to, over all splits."""

    coverage: float
    error: float
    """Standard error of the mean coverage over the splits."""
    frames: float
    floor: float
    """Share of the splits whose coverage is not below `infer.evaluation.conformal.floor_of`."""
    refused: int
    """Splits that would be refused, since too much evidence is in no frame; left out above."""


def over_splits(
    curves: Sequence[Floats],
    wanted: Sequence[Bools],
    videos: Sequence[str],
    coverage: float,
    calibrated_on: int,
    *,
    most_questions: int | None = None,
    seed: int = 42,
) -> Found:
    """Calibrate on some videos and answer about the others, again and again.

    Args:
        curves: (F,) smoothed scores of each of N questions.
        wanted: (F,) for each which rows show evidence.
        videos: (N,) their videos.
        coverage: The coverage promised.
        calibrated_on: Number of videos that each split calibrates on.
        most_questions: Questions of a calibration video that are used; None: all.
        seed: Seed of the splits.
    """
    rows = [np.sort(distances(curve[None])[0]) for curve in curves]
    needed = np.array(
        [
            np.where(show, distances(curve[None])[0], np.inf).min()
            for curve, show in zip(curves, wanted, strict=True)
        ]
    )
    names, video = np.unique(np.array(videos), return_inverse=True)
    place = np.array([np.count_nonzero(video[:n] == own) for n, own in enumerate(video)])
    rng = np.random.default_rng(seed)
    covered, frames = [], []
    for _ in range(SPLITS):
        order = rng.permutation(len(names))
        inside = np.isin(video, order[:calibrated_on])
        known = np.flatnonzero(inside)
        if most_questions:
            known = known[place[known] < most_questions]
        threshold = threshold_of(needed[known], [str(video[n]) for n in known], coverage)
        if np.isinf(threshold):
            continue
        asked = np.flatnonzero(~inside)
        sizes = np.array([np.searchsorted(rows[n], threshold, side="right") for n in asked])
        holds = needed[asked] <= threshold
        share = 1 / np.bincount(video[asked], minlength=len(names))[video[asked]]
        covered.append(float((holds * share).sum() / share.sum()))
        frames.append(float((sizes * share).sum() / share.sum()))
    if not covered:
        return Found(math.nan, math.nan, math.nan, math.nan, SPLITS)
    least = floor_of(calibrated_on, coverage)
    found = np.array(covered)
    return Found(
        float(found.mean()),
        float(found.std(ddof=1) / np.sqrt(len(found))),
        float(np.mean(frames)),
        float((found >= least).mean()),
        SPLITS - len(found),
    )


def fixed_coverage(
    curves: Sequence[Floats], wanted: Sequence[Bools], videos: Sequence[str]
) -> list[float]:
    """Return the share of questions that hold evidence with 1, 2, … `MOST` best hills each."""
    names, video = np.unique(np.array(videos), return_inverse=True)
    share = 1 / np.bincount(video)[video]
    first = []
    for curve, show in zip(curves, wanted, strict=True):
        order = np.argsort(distances(curve[None])[0], kind="stable")
        places = np.flatnonzero(show[order])
        first.append(places[0] if len(places) else np.inf)
    place = np.array(first)
    return [float(((place < k) * share).sum() / len(names)) for k in range(1, MOST + 1)]


def curves_of(
    questions: Path, index: Path, smooth_s: float, *, each: bool
) -> tuple[list[Floats], list[Bools], list[str]]:
    """Return the curve of each labelled question, the rows of its evidence, and its video."""
    labelled = [one for one in load_questions(questions) if is_labelled(one) and not one.events]
    reading = Reading(3, "each") if each else Reading(1)
    asked = ask(labelled, asked_indexes([index], []), [reading])
    found: dict[int, tuple[Floats, Bools, str]] = {}
    for numbers, curves, wanted in evidence_curves(asked, reading, smooth_s):
        for n, curve, show in zip(numbers, curves, wanted, strict=True):
            found[n] = curve, show, asked.timed[n].video
    of_each = [found[n] for n in sorted(found)]
    return [one[0] for one in of_each], [one[1] for one in of_each], [one[2] for one in of_each]


def measure(
    questions: tyro.conf.Positional[Path],
    index: Path = Path("video_index"),
    videos: int = 30,
    most_questions: int | None = None,
    smooth_s: float = 0.0,
    each: bool = False,
) -> None:
    """Print the table.

    Args:
        questions: File of labelled questions.
        index: Folder of the index.
        videos: Number of videos that each split calibrates on.
        most_questions: Questions of a calibration video that are used.
        smooth_s: As --smooth-s.
        each: As --choices each.
    """
    curves, wanted, of_video = curves_of(questions, index, smooth_s, each=each)
    fixed = fixed_coverage(curves, wanted, of_video)
    print(f"{len(curves)} questions about {len(set(of_video))} videos, {videos} calibrated on")
    for coverage in (0.8, 0.9, 0.95):
        if videos < fewest_videos(coverage):
            print(f"{coverage}: needs {fewest_videos(coverage)} videos")
            continue
        found = over_splits(
            curves, wanted, of_video, coverage, videos, most_questions=most_questions
        )
        if found.refused == SPLITS:
            print(f"{coverage}: refused, since too much evidence is in no frame")
            continue
        enough = next((k for k, share in enumerate(fixed, 1) if share >= found.coverage), None)
        print(
            f"{coverage}: {found.coverage:.4f} ± {found.error:.4f}, {found.frames:.2f} frames; "
            f"fixed K = {enough}; {100 * found.floor:.1f} % of splits not below the floor of "
            f"{floor_of(videos, coverage):.3f}; {found.refused} refused"
        )
    print("fixed K, share covered:", ", ".join(f"{share:.3f}" for share in fixed[:8]))
    sys.stdout.flush()


if __name__ == "__main__":
    tyro.cli(measure)
