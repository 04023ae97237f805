"""Each figure by hand, then against its plain definition on generated labels and picks."""

import math
import subprocess
import sys
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from index.spans import Spans, shown_during
from infer.evaluation.baselines import FIGURES
from infer.evaluation.draws import draws_of
from infer.metrics import (
    COUNTED,
    TimedQuestion,
    evidence_by_segment,
    is_labelled,
    picked_spans,
    scenes_of_evidence,
    spans_around,
    spans_of_evidence,
    true_times,
    true_times_asked,
)
from infer.questions import Question
from tests.curves import moments

Ranges = Sequence[tuple[float, float]]


def ask(
    times_s: Sequence[float] = (), ranges_s: Ranges = (), scenes_s: Sequence[Ranges] = ()
) -> Question:
    labels = {"support_frames": times_s, "support_ranges": ranges_s, "scenes": scenes_s}
    return Question.model_validate({"id": "1", "question": "?", "video_path": "v.mp4", **labels})


def on(question: Question, duration_s: float = 10.0) -> TimedQuestion:
    return TimedQuestion(question, *moments(np.arange(0, duration_s, 0.5), duration_s), "v")


def figure(
    name: str, question: Question, picked_s: Sequence[float], duration_s: float = 10.0, k: int = 4
) -> float:
    return FIGURES[name].value(on(question, duration_s), shown(picked_s), k)


def shown(picked_s: Sequence[float]) -> Spans:
    """Picks that are moments."""
    return Spans(np.array(picked_s, float), np.array(picked_s, float))


def figures(question: Question, picked_s: Sequence[float]) -> dict[str, float]:
    return {name: figure(name, question, picked_s) for name in COUNTED}


def test_true_frames_are_at_support_times_or_in_the_middle_of_ranges() -> None:
    assert true_times(ask([4.0, 2.0, 4.0], [(0, 1)])) == [2.0, 4.0]
    assert true_times(ask([], [(4, 6), (0, 1)])) == [0.5, 5.0]
    assert true_times(ask([], [], [[(4, 6), (0, 1)], [(2, 3), (4, 6)]])) == [0.5, 2.5, 5.0]
    assert true_times(ask([], [(4, 6)], [[(0, 1)]])) == [5.0]
    assert true_times(ask([7.0], [], [[(0, 1)]])) == [7.0]
    assert true_times(ask()) == []
    questions = ask([1.0]), ask([], [(0, 1)]), ask([], [], [[(0, 1)]]), ask()
    assert [is_labelled(one) for one in questions] == [True, True, True, False]


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


def test_the_segments_of_a_scene_count_as_one() -> None:
    # Two of four picks are in the first scene, one in each of its segments; none in the second.
    question = ask([9.0], [(0, 0.5)], [[(2.0, 3.0), (6.0, 7.0)], [(4.0, 5.0)]])
    found = figures(question, [2.5, 3.5, 6.0, 8.0])
    assert (found["hit"], found["recall"], found["precision"]) == (1.0, 0.5, 0.5)
    assert figures(question, [1.0, 3.5, 8.0])["hit"] == 0.0
    # IoP and IoU are still of the ranges, hit@1.0 of the times.
    assert found["hit@1.0"] == 1.0
    assert figure("IoU", question, [0.0, 1.0]) == 0.5
    assert math.isnan(figure("IoP", ask([], [], [[(2.0, 3.0)]]), [2.5]))
    # Quarters of 10 s begin at 0, 2.5, 5 and 7.5 s: there is evidence in the first three.
    assert evidence_by_segment(on(question), 4).tolist() == [0, 1, 2]
    assert figure("segments", question, [2.5, 6.0]) == pytest.approx(2 / 3)
    scenes = scenes_of_evidence(question)
    assert scenes.spans_s.tolist() == [[2.0, 3.0], [6.0, 7.0], [4.0, 5.0]]
    assert scenes.first.tolist() == [0, 2]


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
    for question in (ask([], [(0, 1)]), ask([], [], [[(0, 1)]])):
        found = figures(question, [0.5])
        missing = {name for name, figure in found.items() if math.isnan(figure)}
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


def test_spans_in_seconds() -> None:
    assert spans_around(0.5, ask([0.2, 3.0])).tolist() == [[-0.3, 0.7], [2.5, 3.5]]
    assert spans_of_evidence(ask([3.0], [(1, 2)])).tolist() == [[1.0, 2.0]]
    assert spans_of_evidence(ask([3.0])).tolist() == [[2.5, 3.5]]
    assert spans_of_evidence(ask()).shape == (0, 2)
    met = shown_during(*shown([0.0, 3.0, 9.0]), spans_around(0.5, ask([0.2, 3.0])))
    assert met.tolist() == [[True, False, False], [False, True, False]]


tenths = st.integers(0, 60).map(lambda n: n / 10)
ranges = st.tuples(tenths, tenths).map(lambda r: (min(r), max(r)))
labels = st.builds(
    ask,
    st.lists(tenths, max_size=5),
    st.lists(ranges, max_size=3),
    st.lists(st.lists(ranges, min_size=1, max_size=3), max_size=3),
)


@st.composite
def frames(draw: st.DrawFn) -> list[tuple[float, float]]:
    """Picks in order of time, each shown for a while (never beyond the next one), or moments."""
    starts = draw(st.lists(st.integers(0, 55), min_size=1, max_size=6, unique=True).map(sorted))
    if draw(st.booleans()):
        return [(start / 10, start / 10) for start in starts]
    room = [b - a for a, b in pairwise([*starts, 60])]
    lengths = [draw(st.integers(1, most)) for most in room]
    return [(a / 10, (a + b) / 10) for a, b in zip(starts, lengths, strict=True)]


def moments_of(start_s: float, end_s: float) -> list[float]:
    """Moments at which a frame is shown, twenty a second: its end is not one of them."""
    first, last = round(20 * start_s), round(20 * end_s)
    return [moment / 20 for moment in range(first, max(first + 1, last))]


@settings(max_examples=500, deadline=None)
@given(labels, frames(), st.integers(1, 6))
def test_the_figures_are_their_plain_definitions(
    question: Question, picked: list[tuple[float, float]], k: int
) -> None:
    times_s, ranges_s = question.support_frames, question.support_ranges
    duration_s = 6.0  # so that the segments' borders are tenths of seconds too
    spans = Spans(*np.array(picked).T)

    def figure_of(name: str) -> float:
        return FIGURES[name].value(on(question, duration_s), spans, k)

    def is_in(moment: float, a: float, b: float) -> bool:
        return a - 1e-6 <= moment <= b + 1e-6

    def met(stretches: list[tuple[float, float]]) -> list[list[bool]]:
        return [[any(is_in(m, a, b) for m in moments_of(*p)) for p in picked] for a, b in stretches]

    def around(delta_s: float) -> list[tuple[float, float]]:
        return [(t - delta_s, t + delta_s) for t in times_s]

    wanted = {"sequence": math.nan}  # of a question without events
    for delta_s in (0.5, 1.0):
        found = [any(row) for row in met(around(delta_s))]
        wanted[f"hit@{delta_s}"] = float(any(found)) if found else math.nan
        wanted[f"all@{delta_s}"] = float(all(found)) if found else math.nan
    scenes = question.scenes or [[one] for one in ranges_s or around(0.5)]
    evidence = [one for scene in scenes for one in scene]
    rows = [[any(column) for column in zip(*met(scene), strict=True)] for scene in scenes]
    useful = [any(column) for column in zip(*rows, strict=True)]
    wanted["hit"] = float(any(map(any, rows))) if rows else math.nan
    wanted["recall"] = sum(map(any, rows)) / len(rows) if rows else math.nan
    wanted["precision"] = sum(useful) / len(picked) if rows else math.nan

    def segment(t: float) -> int:
        return min(k - 1, math.floor(k * min(t, duration_s) / duration_s))

    borders = evidence if question.scenes else ranges_s or [(t, t) for t in times_s]
    held = {s for s in range(k) for a, b in borders if segment(a) <= s <= segment(b)}
    good = {
        segment(m)
        for p in picked
        for m in moments_of(*p)
        if any(is_in(m, *one) for one in evidence)
    }
    wanted["segments"] = len(held & good) / len(held) if held else math.nan
    away = [min(max(0.0, a - t, t - b) for a, b in picked) for t in times_s]
    wanted["distance_s"] = sum(away) / len(away) if away else math.nan

    start, end = picked[0][0], picked[-1][1]
    both = [
        (max(0.0, min(end, b) - max(start, a)), max(end, b) - min(start, a)) for a, b in ranges_s
    ]
    wanted["IoU"] = max((part / whole if whole else 0.0 for part, whole in both), default=math.nan)
    if end > start:
        wanted["IoP"] = max((part / (end - start) for part, _ in both), default=math.nan)
    else:
        wanted["IoP"] = float(any(a <= start <= b for a, b in ranges_s)) if ranges_s else math.nan
    assert {name: figure_of(name) for name in wanted} == pytest.approx(wanted, nan_ok=True)
    assert set(wanted) == set(FIGURES) - {"UKSS"}  # tests/infer/test_ukss.py


def test_a_screen_recording_shows_its_slide_for_a_minute() -> None:
    # Frames at 0, 30, 31 and 90 s: at 55 to 65 s the third one is on the screen.
    time_s = np.array([0.0, 30.0, 31.0, 90.0])
    end_s = np.array([30.0, 31.0, 90.0, 90.03])
    slides = TimedQuestion(ask([60.0], [(55, 65)]), time_s, end_s, 90.03, "v")
    picked = picked_spans(slides, time_s)
    names = ("hit", "recall", "all@0.5", "distance_s", "precision", "segments")
    found = {name: FIGURES[name].value(slides, picked, 4) for name in names}
    assert found == {
        **dict.fromkeys(("hit", "recall", "all@0.5", "segments"), 1.0),
        "distance_s": 0.0,
        "precision": 0.25,
    }
    for name in ("hit", "recall", "distance_s", "segments"):
        _, best = FIGURES[name].random_and_oracle(slides, draws_of(slides, 4))
        assert best == found[name]
    # Another tool's pick at 60 s is that same picture; one at 100 s is of no row, and a moment.
    assert picked_spans(slides, np.array([60.0, 100.0])).end_s.tolist() == [90.0, 100.0]
    assert picked_spans(slides, np.array([60.0, 100.0])).time_s.tolist() == [31.0, 100.0]


def test_a_pick_is_cut_to_the_part_that_is_asked_about() -> None:
    # Slides at 0, 30 and 60 s; 20 to 40 s are asked about. The first slide shows evidence at 10 s.
    question = ask([], [(10.0, 12.0), (35.0, 36.0)]).model_copy(update={"span_s": (20.0, 40.0)})
    time_s, end_s = np.array([0.0, 30.0]), np.array([30.0, 60.0])
    asked = TimedQuestion(question, time_s, end_s, 20.0, "v", 20.0)
    assert [s.tolist() for s in asked.shown] == [[20.0, 30.0], [30.0, 40.0]]
    # By its own time, or by another tool's inside of its span; what is not of the part is a moment.
    picked = picked_spans(asked, np.array([0.0, 25.0, 60.0]))
    assert [s.tolist() for s in picked] == [[20.0, 20.0, 60.0], [30.0, 30.0, 60.0]]
    assert FIGURES["hit"].value(asked, picked_spans(asked, time_s[:1]), 4) == 0.0
    assert FIGURES["recall"].value(asked, picked_spans(asked, time_s), 4) == 0.5
    assert evidence_by_segment(asked, 4).tolist() == [0, 3]  # a label before the part: its first
    assert true_times_asked(question) == [20.0, 35.5]
    assert true_times_asked(ask([5.0])) == [5.0]


def test_the_figures_need_no_torch() -> None:
    code = "import sys, infer.metrics, infer.evaluation.baselines; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
