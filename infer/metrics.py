"""Whether picked frames answer a question: figures from labels and times alone, and `sim_m`.

Every figure counts how picks meet spans of time. Labels with `support_ranges` give those as spans;
a support time counts from δ seconds before it to δ seconds after.

    hit          a pick inside any span of evidence       (share of questions)
    recall       share of the spans that have a pick inside
    precision    share of the picks that are inside a span
    hit@δ        a pick within δ seconds of any support time, whatever the ranges
    all@δ        a pick within δ seconds of every support time

Evidence is the ranges where there are any (around a single time, right picks in the same event
would be punished: a picker that always lands inside a 2 s event has a hit@0.5 of 0.56), else the
support times with δ = 0.5 s. Ends are included, up to the slack that frame times have.

Legend: E spans of a question, N times, P its picks.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from index.video import TIME_SLACK_S
from infer.questions import Question

if TYPE_CHECKING:
    from PIL import Image

Floats = npt.NDArray[np.floating[Any]]
Bools = npt.NDArray[np.bool_]

DELTA_S = 0.5
"""δ of a question that has support times and no ranges."""
SIM_THRESHOLDS = (0.95, 0.96, 0.97, 0.98, 0.99)
"""m of `sim_m`, as the seed reports it."""


def spans_around(delta_s: float, question: Question) -> Floats:
    """(E, 2) from δ before each support time to δ after it, in seconds."""
    times_s = np.array(question.support_frames, np.float64).reshape(-1, 1)
    spans: Floats = times_s + np.array([-delta_s, delta_s])
    return spans


def spans_of_evidence(question: Question) -> Floats:
    """(E, 2) the support ranges; without any, the times ± `DELTA_S`. No label: E = 0."""
    if not question.support_ranges:
        return spans_around(DELTA_S, question)
    return np.array(question.support_ranges, np.float64)


def inside(time_s: Floats, spans: Floats) -> Bools:
    """(E, N) which of the times (N,) are inside which of the spans (E, 2), ends included."""
    starts, ends = spans[:, :1], spans[:, 1:]
    met: Bools = (time_s >= starts - TIME_SLACK_S) & (time_s <= ends + TIME_SLACK_S)
    return met


class Metric(NamedTuple):
    """A figure of one question, which grows with how much is matched."""

    spans: Callable[[Question], Floats]
    """What to match; none of it where the question has no such label."""
    counts: Literal["spans", "picks"]
    """What is matched: spans that have a pick inside, or picks that are inside a span."""
    worth: Callable[[int, int], float]
    """The figure, 0 to 1, of so many matched out of so many."""


def _any(matched: int, _total: int) -> float:
    return float(matched > 0)


def _all(matched: int, total: int) -> float:
    return float(matched == total)


def _share(matched: int, total: int) -> float:
    return matched / total if total else 0.0


METRICS: dict[str, Metric] = {
    "hit": Metric(spans_of_evidence, "spans", _any),
    "recall": Metric(spans_of_evidence, "spans", _share),
    "precision": Metric(spans_of_evidence, "picks", _share),
    "hit@0.5": Metric(partial(spans_around, 0.5), "spans", _any),
    "hit@1.0": Metric(partial(spans_around, 1.0), "spans", _any),
    "all@0.5": Metric(partial(spans_around, 0.5), "spans", _all),
    "all@1.0": Metric(partial(spans_around, 1.0), "spans", _all),
}
"""The figures by the name that heads their column."""


def value(metric: Metric, question: Question, picked_s: Floats) -> float:
    """The figure of one question's picks (P,) in seconds; NaN where it has no such label."""
    spans = metric.spans(question)
    if not len(spans):
        return float("nan")
    met = inside(picked_s, spans)  # (E, P)
    matched: Bools = np.any(met, axis=1 if metric.counts == "spans" else 0)
    return metric.worth(int(matched.sum()), len(matched))


def sim_m(
    top_4_frames: "Sequence[Image.Image]",
    true_frames: "Sequence[Image.Image]",
    model: Any,
    processor: Any,
    sim_threshold: float = 0.95,
) -> int:
    """1 where every true frame has a picked frame that looks like it, else 0.

    Alike means that the cosine of their CLS vectors is at least the threshold. The model is any
    vision transformer whose `last_hidden_state[:, 0]` is that vector (the seed's is DINOv2-large),
    the processor its own. For many questions use `infer.judge.sim_m_many`, which passes each
    distinct image once.
    """
    from infer.judge import Judge, sim_m_many  # torch: seconds that the other figures do not need

    questions = [(top_4_frames, true_frames)]
    return int(sim_m_many(questions, Judge(model, processor), [sim_threshold])[0, 0])
