"""Figures of one question's picks: from labels and times alone, and `sim_m`.

    hit          a pick inside any span of evidence                         (share of questions)
    recall       share of the spans that have a pick inside       (KFS-Bench: Scene Hit Rate)
    precision    share of the picks that are inside a span        (KFS-Bench: Key Frame Rate)
    segments     of the K segments that hold evidence, the share with a pick inside it
    hit@δ        a pick within δ seconds of any support time, whatever the ranges
    all@δ        a pick within δ seconds of every support time
    distance_s   seconds from a support time to the nearest pick, mean over the support times
    IoP, IoU     of the window from the first pick to the last with a range, the best range's

Evidence is the ranges where there are any, else the support times with δ = 0.5 s. (Around a single
time, right picks in the same event would be punished: a picker that always lands inside a 2 s event
has a hit@0.5 of 0.56.) Ends are included, within the tolerance of frame times.

KFS-Bench: Li et al., WACV 2026, arXiv 2512.14017, whose scenes are our ranges. IoP and IoU: Xiao
et al., NExT-GQA, CVPR 2024, arXiv 2309.01327, where a window of no length has IoU 0 and IoP 1 or 0,
and the keyframes of a selector (SeViLA) give the window from the first to the last. A strategy that
spreads its picks over the whole video has a wide window: compare both with the oracle's.

Legend: E spans of a question, N times, P its picks, W windows.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from index.arrays import Bools, Floats
from index.decoding.frame_types import TIME_TOLERANCE_S
from index.errors import CueframeError
from infer.questions import Question
from infer.selection.strategies import segments

if TYPE_CHECKING:
    from PIL import Image


DELTA_S = 0.5
"""δ of a question that has support times and no ranges."""


def spans_around(delta_s: float, question: Question) -> Floats:
    """Return spans (E, 2) from δ before each support time to δ after it, in seconds."""
    times_s = np.array(question.support_frames, np.float64).reshape(-1, 1)
    spans: Floats = times_s + np.array([-delta_s, delta_s])
    return spans


def spans_of_evidence(question: Question) -> Floats:
    """Return (E, 2) the support ranges; without any, the times ± `DELTA_S`. No label: E = 0."""
    if not question.support_ranges:
        return spans_around(DELTA_S, question)
    return np.array(question.support_ranges, np.float64)


def true_times(question: Question) -> list[float]:
    """Return ascending times whose frames show the answer: support times, else ranges' middles."""
    middles = [(start_s + end_s) / 2 for start_s, end_s in question.support_ranges]
    return sorted(set(question.support_frames or middles))


def is_labelled(question: Question) -> bool:
    """Return whether a question has support times or ranges."""
    return bool(question.support_frames or question.support_ranges)


def require_labels(questions: Iterable[Question]) -> int:
    """Count the questions that have support times or ranges: at least one.

    Raises:
        CueframeError: No question has any.
    """
    found = [is_labelled(question) for question in questions]
    if not any(found):
        raise CueframeError(
            f"none of {len(found)} questions has support_frames or support_ranges; give labelled "
            "questions to be scored"
        )
    return sum(found)


def inside(time_s: Floats, spans: Floats) -> Bools:
    """Return (E, N) which of the times (N,) are inside which of the spans (E, 2), ends included."""
    starts, ends = spans[:, :1], spans[:, 1:]
    met: Bools = (time_s >= starts - TIME_TOLERANCE_S) & (time_s <= ends + TIME_TOLERANCE_S)
    return met


class TimedQuestion(NamedTuple):
    """A question on the timeline of its video."""

    question: Question
    time_s: Floats
    """(F,) seconds of the video's rows, at least one, ascending."""
    duration_s: float
    video: str
    """Content hash of the video."""


class Counted(NamedTuple):
    """A figure of one question that grows with the number of matched spans or picks."""

    spans: Callable[[Question], Floats]
    """Spans to match (E, 2); E = 0 if the question has no such label."""
    counts: Literal["spans", "picks"]
    """Matches to count: spans that have a pick inside, or picks that are inside a span."""
    worth: Callable[[int, int], float]
    """The figure, 0 to 1, given the number matched and the total."""


def _any(matched: int, _total: int) -> float:
    return float(matched > 0)


def every(matched: int, total: int) -> float:
    """Return 1 if all are matched, else 0."""
    return float(matched == total)


def _share(matched: int, total: int) -> float:
    return matched / total if total else 0.0


COUNTED: dict[str, Counted] = {
    "hit": Counted(spans_of_evidence, "spans", _any),
    "recall": Counted(spans_of_evidence, "spans", _share),
    "precision": Counted(spans_of_evidence, "picks", _share),
    "hit@0.5": Counted(partial(spans_around, 0.5), "spans", _any),
    "hit@1.0": Counted(partial(spans_around, 1.0), "spans", _any),
    "all@0.5": Counted(partial(spans_around, 0.5), "spans", every),
    "all@1.0": Counted(partial(spans_around, 1.0), "spans", every),
}
"""The figures that count matches, by name."""


def counted(figure: Counted, timed: TimedQuestion, picked_s: Floats, _k: int) -> float:
    """Compute a figure of one question's picks (P,) in seconds; NaN without such a label."""
    spans = figure.spans(timed.question)
    if not len(spans):
        return float("nan")
    met = inside(picked_s, spans)  # (E, P)
    matched: Bools = np.any(met, axis=1 if figure.counts == "spans" else 0)
    return figure.worth(int(matched.sum()), len(matched))


def evidence_by_segment(timed: TimedQuestion, k: int) -> npt.NDArray[np.int64]:
    """Return the segments, of K, that hold evidence: part of a range, or a support time."""
    ends = timed.question.support_ranges or [(t, t) for t in timed.question.support_frames]
    numbers = segments(np.array(ends, np.float64).reshape(-1), timed.duration_s, k).reshape(-1, 2)
    held = [np.arange(first, last + 1) for first, last in numbers.tolist()]
    return np.unique(np.concatenate([*held, np.empty(0, np.int64)]))


def segments_hit(timed: TimedQuestion, picked_s: Floats, k: int) -> float:
    """Return the share of the segments with evidence that have a pick inside evidence."""
    held = evidence_by_segment(timed, k)
    if not len(held):
        return float("nan")
    useful = picked_s[inside(picked_s, spans_of_evidence(timed.question)).any(axis=0)]
    return float(np.isin(held, segments(useful, timed.duration_s, k)).mean())


def distance_s(timed: TimedQuestion, picked_s: Floats, _k: int) -> float:
    """Return the mean seconds from a support time to the nearest pick; NaN without either."""
    times_s = np.array(timed.question.support_frames)
    if not len(times_s) or not len(picked_s):
        return float("nan")
    return float(np.abs(times_s[:, None] - picked_s).min(axis=1).mean())


def iop(start_s: Floats, end_s: Floats, ranges_s: Floats) -> Floats:
    """Return (W,) intersection over prediction of windows (W,) with the best of ranges (E, 2)."""
    shared, length = _shared(start_s, end_s, ranges_s), end_s - start_s
    best: Floats = shared.max(axis=0) / np.where(length > 0, length, 1)
    points = length <= 0
    if points.any():
        best[points] = np.any(inside(start_s[points], ranges_s), axis=0)
    return best


def iou(start_s: Floats, end_s: Floats, ranges_s: Floats) -> Floats:
    """Return (W,) intersection over union of windows (W,) with the best of ranges (E, 2)."""
    starts, ends = ranges_s[:, :1], ranges_s[:, 1:]
    whole = np.maximum(end_s, ends) - np.minimum(start_s, starts)  # (E, W), NExT-GQA's union
    shared = _shared(start_s, end_s, ranges_s)
    best: Floats = (shared / np.where(whole > 0, whole, 1)).max(axis=0)
    return best


def _shared(start_s: Floats, end_s: Floats, ranges_s: Floats) -> Floats:
    """Return (E, W) the seconds in which ranges and windows overlap."""
    starts, ends = ranges_s[:, :1], ranges_s[:, 1:]
    shared: Floats = np.maximum(0.0, np.minimum(end_s, ends) - np.maximum(start_s, starts))
    return shared


def window(
    overlap: Callable[[Floats, Floats, Floats], Floats],
    timed: TimedQuestion,
    picked_s: Floats,
    _k: int,
) -> float:
    """Compute `iop` or `iou` of the window from the first pick to the last; NaN without ranges."""
    ranges_s = np.array(timed.question.support_ranges, np.float64)
    if not len(ranges_s):
        return float("nan")
    if not len(picked_s):
        return 0.0
    return float(overlap(picked_s[:1], picked_s[-1:], ranges_s)[0])


def sim_m(
    top_4_frames: "Sequence[Image.Image]",
    true_frames: "Sequence[Image.Image]",
    model: Any,
    processor: Any,
    sim_threshold: float = 0.95,
) -> int:
    """Return 1 if every true frame has a picked frame that looks like it, else 0.

    Frames look alike if the cosine of their CLS vectors is at least the threshold. The model is any
    vision transformer whose `last_hidden_state[:, 0]` is that vector (in the original scripts
    DINOv2-large), the processor its own. For many questions use `infer.judge.sim_m_many`, which
    passes each distinct image once.
    """
    from infer.judge import Judge, sim_m_many  # loads torch, which the other figures do not need

    questions = [(top_4_frames, true_frames)]
    return int(sim_m_many(questions, Judge(model, processor), [sim_threshold])[0, 0])
