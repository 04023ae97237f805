"""Each figure by hand, then against its plain definition on generated labels and picks."""

import math
import subprocess
import sys
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infer.metrics import METRICS, inside, spans_around, spans_of_evidence, value
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


def figures(question: Question, picked_s: Sequence[float]) -> dict[str, float]:
    return {name: value(m, question, np.array(picked_s, float)) for name, m in METRICS.items()}


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
    assert figures(ask([1.0, 1.3, 1.9]), [1.4]) == dict.fromkeys(METRICS, 1.0)


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
    assert figures(ask([1.0]), []) == dict.fromkeys(METRICS, 0.0)


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


def test_the_figures_need_no_torch() -> None:
    code = "import sys, infer.metrics, infer.baselines; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
