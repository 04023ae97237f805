"""Each figure by hand, then against its plain definition on generated labels and picks."""

import math
import subprocess
import sys
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infer.evaluation.baselines import FIGURES
from infer.metrics import (
    COUNTED,
    TimedQuestion,
    evidence_by_segment,
    inside,
    iop,
    iou,
    is_labelled,
    spans_around,
    spans_of_evidence,
    true_times,
)
from infer.questions import Question

Ranges = Sequence[tuple[float, float]]


def ask(times_s: Sequence[float] = (), ranges_s: Ranges = ()) -> Question:
    return Question(
        id="1",
        question="?",
        video_path="v.mp4",
        choices=[],
        answer=None,
        support_frames=list(times_s),
        support_ranges=list(ranges_s),
    )


def on(question: Question, duration_s: float = 10.0) -> TimedQuestion:
    return TimedQuestion(question, np.arange(0, duration_s, 0.5), duration_s, "v")


def figure(
    name: str, question: Question, picked_s: Sequence[float], duration_s: float = 10.0, k: int = 4
) -> float:
    return FIGURES[name].value(on(question, duration_s), np.array(picked_s, float), k)


def figures(question: Question, picked_s: Sequence[float]) -> dict[str, float]:
    return {name: figure(name, question, picked_s) for name in COUNTED}


def test_true_frames_are_at_support_times_or_in_the_middle_of_ranges() -> None:
    assert true_times(ask([4.0, 2.0, 4.0], [(0, 1)])) == [2.0, 4.0]
    assert true_times(ask([], [(4, 6), (0, 1)])) == [0.5, 5.0]
    assert true_times(ask()) == []
    assert [is_labelled(one) for one in (ask([1.0]), ask([], [(0, 1)]), ask())] == [
        True,
        True,
        False,
    ]


def test_support_times_by_hand() -> None:
    # 1.4 s is within half a second of 1 s; 3.2 s only within a second of 4 s.
    assert figures(ask([1.0, 4.0]), [1.4, 3.2, 7.0, 9.0]) == {
        "hit": 1.0,
        "recall": 0.5,
        "precision": 0.25,
        "hit@0.5": 1.0,
        "hit@1.0": 1.0,
        "all@0.5": 0.0,
        "all@1.0": 1.0,
    }


def test_ranges_are_the_evidence_where_there_are_any() -> None:
    # In the first range twice, never in the other two, and far from the support time.
    question = ask([9.0], [(2.0, 5.0), (5.5, 6.0), (8.0, 9.5)])
    assert figures(question, [2.1, 4.9, 7.5, 12.0]) == {
        "hit": 1.0,
        "recall": pytest.approx(1 / 3),
        "precision": 0.5,
        "hit@0.5": 0.0,
        "hit@1.0": 0.0,
        "all@0.5": 0.0,
        "all@1.0": 0.0,
    }


def test_one_pick_matches_every_time_near_it() -> None:
    assert figures(ask([1.0, 1.3, 1.9]), [1.4]) == dict.fromkeys(COUNTED, 1.0)


@pytest.mark.parametrize(("time_s", "hit"), [(2.0, 1.0), (5.0, 1.0), (1.99, 0.0), (5.01, 0.0)])
def test_the_ends_of_a_range_are_inside(time_s: float, hit: float) -> None:
    assert figures(ask([], [(2.0, 5.0)]), [time_s])["hit"] == hit


def test_a_distance_of_delta_is_within_it_however_floats_round() -> None:
    assert 0.18 + 0.5 < 0.68
    assert figures(ask([0.18]), [0.68])["hit@0.5"] == 1.0
    assert 1.1 - 0.5 > 0.6
    assert figures(ask([1.1]), [0.6])["hit@0.5"] == 1.0
    assert figures(ask([0.6]), [1.11])["hit@0.5"] == 0.0


def test_a_question_without_a_label_has_no_figure() -> None:
    assert all(math.isnan(figure) for figure in figures(ask(), [1.0]).values())
    ranges_only = figures(ask([], [(0, 1)]), [0.5])
    missing = {name for name, figure in ranges_only.items() if math.isnan(figure)}
    assert missing == {"hit@0.5", "hit@1.0", "all@0.5", "all@1.0"}


def test_no_pick_matches_nothing() -> None:
    assert figures(ask([1.0]), []) == dict.fromkeys(COUNTED, 0.0)


def test_segments_by_hand() -> None:
    # Quarters of 10 s begin at 0, 2.5, 5 and 7.5 s. The range is in the second and the third.
    question = ask([], [(3.0, 5.2)])
    assert evidence_by_segment(on(question), 4).tolist() == [1, 2]
    assert figure("segments", question, [0.0, 3.0, 6.0, 9.0]) == 0.5
    assert figure("segments", question, [0.0, 3.0, 5.0, 9.0]) == 1.0
    assert figure("segments", question, [0.0, 2.5, 6.0, 9.0]) == 0.0
    # A support time is evidence of its own quarter, though picks near it may be in the next.
    assert evidence_by_segment(on(ask([2.4])), 4).tolist() == [0]
    assert figure("segments", ask([2.4]), [0.0, 2.5, 6.0, 9.0]) == 0.0
    assert figure("segments", ask([2.4]), [2.0, 2.5, 6.0, 9.0]) == 1.0
    # Two ranges in one quarter are one segment; what lies beyond the end is in the last.
    assert figure("segments", ask([], [(0, 1), (1.5, 2), (90, 99)]), [0.5, 9.0]) == 0.5
    assert math.isnan(figure("segments", ask(), [1.0]))


def test_distance_by_hand() -> None:
    assert figure("distance_s", ask([1.0, 6.0]), [0.5, 3.0, 9.0]) == pytest.approx((0.5 + 3) / 2)
    assert figure("distance_s", ask([4.0], [(0, 9)]), [5.0]) == 1.0  # ranges do not matter
    assert math.isnan(figure("distance_s", ask([], [(0, 9)]), [5.0]))


def test_iop_and_iou_by_hand() -> None:
    # The window is 2 to 6 s. With 4 to 10 s it shares 2 of 4 and of 8 s, with 5 to 6 s 1 of 4.
    question = ask([], [(4.0, 10.0), (5.0, 6.0)])
    assert figure("IoP", question, [2.0, 3.0, 6.0]) == 0.5
    assert figure("IoU", question, [2.0, 3.0, 6.0]) == 0.25
    # The best range may be another one for each.
    assert figure("IoU", ask([], [(2.0, 3.0), (0.0, 8.0)]), [2.0, 6.0]) == 0.5
    assert figure("IoP", ask([], [(7.0, 8.0)]), [2.0, 6.0]) == 0.0
    # A window of no length.
    assert figure("IoP", question, [5.0]) == 1.0
    assert figure("IoP", question, [3.0]) == 0.0
    assert figure("IoU", question, [5.0]) == 0.0
    assert math.isnan(figure("IoP", ask([1.0]), [1.0]))
    assert figure("IoP", question, []) == 0.0


def test_spans_in_seconds() -> None:
    assert spans_around(0.5, ask([0.2, 3.0])).tolist() == [[-0.3, 0.7], [2.5, 3.5]]
    assert spans_of_evidence(ask([3.0], [(1, 2)])).tolist() == [[1.0, 2.0]]
    assert spans_of_evidence(ask([3.0])).tolist() == [[2.5, 3.5]]
    assert spans_of_evidence(ask()).shape == (0, 2)
    met = inside(np.array([0.0, 3.0, 9.0]), spans_around(0.5, ask([0.2, 3.0])))
    assert met.tolist() == [[True, False, False], [False, True, False]]


tenths = st.integers(0, 60).map(lambda n: n / 10)
labels = st.builds(
    ask,
    st.lists(tenths, max_size=5),
    st.lists(st.tuples(tenths, tenths).map(lambda r: (min(r), max(r))), max_size=3),
)


@settings(max_examples=300, deadline=None)
@given(labels, st.lists(tenths, max_size=6, unique=True).map(sorted))
def test_the_figures_are_their_plain_definitions(question: Question, picked_s: list[float]) -> None:
    times_s, ranges_s = question.support_frames, question.support_ranges

    def near(a: float, b: float, delta_s: float) -> bool:
        return round(abs(a - b), 6) <= delta_s

    wanted = {}
    for delta_s in (0.5, 1.0):
        found = [any(near(t, p, delta_s) for p in picked_s) for t in times_s]
        wanted[f"hit@{delta_s}"] = float(any(found)) if found else math.nan
        wanted[f"all@{delta_s}"] = float(all(found)) if found else math.nan
    if ranges_s:
        met = [[start <= p <= end for p in picked_s] for start, end in ranges_s]
    else:
        met = [[near(t, p, 0.5) for p in picked_s] for t in times_s]
    useful = [any(column) for column in zip(*met, strict=True)]
    wanted["hit"] = float(any(map(any, met))) if met else math.nan
    wanted["recall"] = sum(map(any, met)) / len(met) if met else math.nan
    wanted["precision"] = sum(useful) / max(1, len(picked_s)) if met else math.nan
    assert figures(question, picked_s) == pytest.approx(wanted, nan_ok=True)


@settings(max_examples=300, deadline=None)
@given(labels, st.lists(tenths, min_size=1, max_size=6, unique=True).map(sorted), st.integers(1, 6))
def test_segments_distance_and_windows_are_their_plain_definitions(
    question: Question, picked_s: list[float], k: int
) -> None:
    times_s, ranges_s = question.support_frames, question.support_ranges
    duration_s = 6.5

    def segment(t: float) -> int:
        return min(k - 1, math.floor(k * min(t, duration_s) / duration_s))

    spans = ranges_s or [(t - 0.5, t + 0.5) for t in times_s]
    borders = ranges_s or [(t, t) for t in times_s]
    held = {s for s in range(k) for a, b in borders if segment(a) <= s <= segment(b)}
    good = {segment(p) for p in picked_s if any(a - 1e-6 <= p <= b + 1e-6 for a, b in spans)}
    wanted = len(held & good) / len(held) if held else math.nan
    got = figure("segments", question, picked_s, duration_s, k)
    assert got == pytest.approx(wanted, nan_ok=True)

    away = [min(abs(t - p) for p in picked_s) for t in times_s]
    wanted = sum(away) / len(away) if away else math.nan
    assert figure("distance_s", question, picked_s) == pytest.approx(wanted, nan_ok=True)

    start, end = picked_s[0], picked_s[-1]
    both = [
        (max(0.0, min(end, b) - max(start, a)), max(end, b) - min(start, a)) for a, b in ranges_s
    ]
    if end > start:
        wanted = max((shared / (end - start) for shared, _ in both), default=math.nan)
    else:
        wanted = float(any(a <= start <= b for a, b in ranges_s)) if ranges_s else math.nan
    assert figure("IoP", question, picked_s) == pytest.approx(wanted, nan_ok=True)
    wanted = max((shared / whole if whole else 0.0 for shared, whole in both), default=math.nan)
    assert figure("IoU", question, picked_s) == pytest.approx(wanted, nan_ok=True)


def test_many_windows_at_once() -> None:
    starts_s, ends_s = np.array([0.0, 2.0, 5.0]), np.array([4.0, 6.0, 5.0])
    ranges_s = np.array([[4.0, 10.0], [5.0, 6.0]])
    assert iop(starts_s, ends_s, ranges_s).tolist() == [0.0, 0.5, 1.0]
    assert iou(starts_s, ends_s, ranges_s).tolist() == [0.0, 0.25, 0.0]


def test_the_figures_need_no_torch() -> None:
    code = "import sys, infer.metrics, infer.evaluation.baselines; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
