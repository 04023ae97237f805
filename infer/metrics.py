"""Figures of one question's picks: from labels and times alone, and `sim_m`.

    hit          a pick is shown during any stretch of evidence            (share of questions)
    recall       share of the scenes during which a pick is shown    (KFS-Bench: Scene Hit Rate)
    precision    share of the picks that are shown during a scene    (KFS-Bench: Key Frame Rate)
    segments     of the K segments that hold evidence, the share in which a pick shows it
    hit@δ        a pick is shown within δ seconds of any support time, whatever the ranges
    all@δ        a pick is shown within δ seconds of every support time
    distance_s   seconds from a support time to the nearest pick, mean over the support times

A pick is a frame, and a frame is a span of time (`index.spans`): what counts is whether the picture
is on the screen, not when it came there. Evidence is the scenes where there are any, else the
ranges, else the support times with δ = 0.5 s. (Around a single time, right picks in the same event
would be punished: a picker that always lands inside a 2 s event has a hit@0.5 of 0.56.) Ends are
included, within the tolerance of frame times. The segments of a scene count as one; each range, and
each support time, is a scene of its own.

KFS-Bench: Li et al., WACV 2026, arXiv 2512.14017; `infer.evaluation.ukss` has its UKSS,
`infer.evaluation.windows` IoP and IoU.

Legend: E stretches of evidence of a question, S scenes that they make up, F rows of its video, P
its picks.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import chain
from math import isnan
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from index.arrays import Bools, Floats, Integers
from index.errors import CueframeError
from index.spans import TIME_TOLERANCE_S, Spans, cut, seconds_away, shown_during, spans_shown_at
from infer.questions import Question
from infer.selection.strategies import segments

if TYPE_CHECKING:
    from PIL import Image


DELTA_S = 0.5
"""δ of a question that has support times and no ranges."""


def spans_around(delta_s: float, question: Question) -> Floats:
    """Return stretches (E, 2) from δ before each support time to δ after it, in seconds."""
    times_s = np.array(question.support_frames, np.float64).reshape(-1, 1)
    spans: Floats = times_s + np.array([-delta_s, delta_s])
    return spans


def spans_of_evidence(question: Question) -> Floats:
    """Return (E, 2) the scenes' segments, else the support ranges, else the times ± `DELTA_S`.

    No label: E = 0.
    """
    ranges = _ranges_of_evidence(question)
    return np.array(ranges, np.float64) if ranges else spans_around(DELTA_S, question)


def _ranges_of_evidence(question: Question) -> list[tuple[float, float]]:
    return [*chain.from_iterable(question.scenes)] or question.support_ranges


class Scenes(NamedTuple):
    """Stretches of time by scene; those of one scene count as one."""

    spans_s: Floats
    """(E, 2) starts and ends in seconds, scene by scene."""
    first: Integers
    """(S,) the position in `spans_s` at which each scene begins."""

    def shown_by(self, frames: Spans, tolerance_s: float = TIME_TOLERANCE_S) -> Bools:
        """Return (S, P) during which scenes which of the frames (P,) are shown."""
        met = shown_during(*frames, self.spans_s, tolerance_s)  # (E, P)
        if len(self.first) == len(self.spans_s):
            return met
        return np.logical_or.reduceat(met, self.first, axis=0)


def scenes_of_evidence(question: Question) -> Scenes:
    """Return `spans_of_evidence` by scene; without scenes, each stretch is one of its own."""
    spans_s = spans_of_evidence(question)
    sizes = [len(scene) for scene in question.scenes] or [1] * len(spans_s)
    return Scenes(spans_s, np.cumsum([0, *sizes], dtype=np.int64)[:-1])


def scenes_around(delta_s: float, question: Question) -> Scenes:
    """Return `spans_around`, each a scene of its own."""
    spans_s = spans_around(delta_s, question)
    return Scenes(spans_s, np.arange(len(spans_s)))


def answer_times(question: Question) -> list[float]:
    """Return times whose frames show the answer, in the order of the labels.

    They are the support times, else the middles of the ranges, else those of the scenes' segments.
    """
    ranges = question.support_ranges or _ranges_of_evidence(question)
    return question.support_frames or [(start_s + end_s) / 2 for start_s, end_s in ranges]


def true_times(question: Question) -> list[float]:
    """Return `answer_times` ascending, each once."""
    return sorted(set(answer_times(question)))


def answer_ranges(question: Question) -> Floats:
    """Return (E, 2) all stretches labelled as showing the answer: ranges, and scenes' segments."""
    both = [*question.support_ranges, *chain.from_iterable(question.scenes)]
    return np.array(both, np.float64).reshape(-1, 2)


def true_times_asked(question: Question) -> list[float]:
    """Return `true_times`; those outside of `span_s` are moved to its nearer end."""
    if question.span_s is None:
        return true_times(question)
    start_s, end_s = question.span_s
    return sorted({min(max(time_s, start_s), end_s) for time_s in true_times(question)})


def is_labelled(question: Question) -> bool:
    """Return whether a question has support times, ranges or scenes."""
    return bool(question.support_frames or question.support_ranges or question.scenes)


def require_labels(questions: Iterable[Question]) -> int:
    """Count the questions that have support times, ranges or scenes: at least one.

    Raises:
        CueframeError: No question has any.
    """
    found = [is_labelled(question) for question in questions]
    if not any(found):
        raise CueframeError(
            f"none of {len(found)} questions has support_frames, support_ranges or scenes; give "
            "labelled questions to be scored"
        )
    return sum(found)


class TimedQuestion(NamedTuple):
    """A question on the timeline of its video, or of the part of it that is asked about."""

    question: Question
    time_s: Floats
    """(F,) seconds of the video's rows, ascending; of a part, the rows shown in it. The first of
    these may begin before the part, and the last one end after it. F = 0 if the duration is NaN."""
    end_s: Floats
    """(F,) ends of the spans in which they are shown."""
    duration_s: float
    """Length of the video, or of the part; NaN where it is not known."""
    video: str
    """Content hash of the video; without an index, its path."""
    start_s: float = 0.0
    """Second of the video at which the part begins."""
    tolerance_s: float = TIME_TOLERANCE_S
    """By how much a frame may miss a stretch of evidence; 0 for the times of another tool, which
    are taken as they are, as KFS-Bench's own scorer does."""

    @property
    def shown(self) -> Spans:
        """The spans (F,) in which the rows are shown in the part, in seconds of the video."""
        return self.cut(Spans(self.time_s, self.end_s))

    def cut(self, frames: Spans) -> Spans:
        """Cut spans to the part; those outside of it, and all without a part, are left."""
        if self.question.span_s is None:
            return frames
        return cut(frames, self.start_s, self.start_s + self.duration_s)

    def segments(self, time_s: Floats, k: int) -> Integers:
        """Return the segment of each of some times of the video, of K equal ones of the part."""
        return segments(time_s - self.start_s, self.duration_s, k)


def picked_spans(timed: TimedQuestion, picked_s: Floats) -> Spans:
    """Return the spans of the frames shown at times (P,) in seconds, cut to the part asked about.

    A time at which no row is shown, as where another tool picked a frame that the index has not, is
    a moment.
    """
    if not len(timed.time_s):
        return Spans(picked_s, picked_s)
    return timed.cut(spans_shown_at(timed.time_s, timed.end_s, picked_s))


def picks_in_evidence(timed: TimedQuestion, picked_s: Floats) -> Bools:
    """Return (P,) which of the frames shown at times (P,) in seconds show evidence."""
    met = shown_during(*picked_spans(timed, picked_s), spans_of_evidence(timed.question))
    return np.asarray(met.any(axis=0))


class Counted(NamedTuple):
    """A figure of one question that grows with the number of matched scenes or picks."""

    scenes: Callable[[Question], Scenes]
    """Scenes to match; none if the question has no such label."""
    counts: Literal["spans", "picks"]
    """Matches to count: scenes during which a pick is shown, or picks shown during any."""
    worth: Callable[[int, int], float]
    """The figure, 0 to 1, given the number matched and the total."""


def _any(matched: int, _total: int) -> float:
    return float(matched > 0)


def every(matched: int, total: int) -> float:
    """Return 1 if all are matched, else 0."""
    return float(matched == total)


def share(matched: int, total: int) -> float:
    """Return the share that is matched; 0 of none."""
    return matched / total if total else 0.0


COUNTED: dict[str, Counted] = {
    "hit": Counted(scenes_of_evidence, "spans", _any),
    "recall": Counted(scenes_of_evidence, "spans", share),
    "precision": Counted(scenes_of_evidence, "picks", share),
    "hit@0.5": Counted(partial(scenes_around, 0.5), "spans", _any),
    "hit@1.0": Counted(partial(scenes_around, 1.0), "spans", _any),
    "all@0.5": Counted(partial(scenes_around, 0.5), "spans", every),
    "all@1.0": Counted(partial(scenes_around, 1.0), "spans", every),
}
"""The figures that count matches, by name."""


def counted(figure: Counted, timed: TimedQuestion, picked: Spans, _k: int) -> float:
    """Compute a figure of one question's picks; NaN without such a label."""
    scenes = figure.scenes(timed.question)
    if not len(scenes.first):
        return float("nan")
    met = scenes.shown_by(picked, timed.tolerance_s)  # (S, P)
    matched: Bools = np.any(met, axis=1 if figure.counts == "spans" else 0)
    return figure.worth(int(matched.sum()), len(matched))


def evidence_by_segment(timed: TimedQuestion, k: int) -> Integers:
    """Return the segments, of K, that hold evidence: part of a stretch, or a support time."""
    question = timed.question
    ends = _ranges_of_evidence(question) or [(t, t) for t in question.support_frames]
    numbers = timed.segments(np.array(ends, np.float64).reshape(-1), k).reshape(-1, 2)
    held = [np.arange(first, last + 1) for first, last in numbers.tolist()]
    return np.unique(np.concatenate([*held, np.empty(0, np.int64)]))


def evidence_shown(timed: TimedQuestion, frames: Spans, k: int) -> Bools:
    """Return (H, P) in which of the H segments that hold evidence which frames (P,) show some."""
    stretches = spans_of_evidence(timed.question)
    met = shown_during(*frames, stretches)  # (E, P)
    held = evidence_by_segment(timed, k)
    shown = np.zeros((len(held), met.shape[1]), np.bool_)
    some = np.flatnonzero(met.any(axis=0))  # of many rows, those of the evidence
    starts_s, ends_s = (s[some] for s in frames)
    # The frame is on the screen while the stretch lasts from `first` to `last`, by segments.
    from_s = np.maximum(starts_s, stretches[:, :1])
    to_s = np.minimum(np.maximum(ends_s - TIME_TOLERANCE_S, starts_s), stretches[:, 1:])
    first, last = (timed.segments(s, k) for s in (from_s, np.maximum(from_s, to_s)))
    inside = held.reshape(-1, 1, 1)
    shown[:, some] = np.any(met[:, some] & (first <= inside) & (inside <= last), axis=1)
    return shown


def segments_hit(timed: TimedQuestion, picked: Spans, k: int) -> float:
    """Return the share of the segments with evidence in which a pick shows some; NaN without."""
    if isnan(timed.duration_s):
        return float("nan")
    shown = evidence_shown(timed, picked, k)  # (H, P)
    return float(shown.any(axis=1).mean()) if len(shown) else float("nan")


def distance_s(timed: TimedQuestion, picked: Spans, _k: int) -> float:
    """Return the mean seconds from a support time to the nearest pick; NaN without either."""
    times_s = timed.question.support_frames
    if not len(times_s) or not len(picked.time_s):
        return float("nan")
    return float(seconds_away(*picked, times_s).min(axis=1).mean())


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
