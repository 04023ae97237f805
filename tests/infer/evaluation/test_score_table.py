"""The panel: means, intervals by video, differences, tables; by hand and against plain loops."""

import math

import numpy as np
import pytest

from index.arrays import Floats
from index.errors import CueframeError
from infer.evaluation.baselines import FIGURES
from infer.evaluation.score_table import (
    ScoreTable,
    figure_tables,
    means,
    score_table,
    uniform_picks,
)
from infer.metrics import TimedQuestion
from infer.selection.strategies import pick_uniform
from tests.infer.evaluation.test_baselines import both, queries

Picks = dict[str, list[Floats]]

QUESTIONS = [
    queries(np.arange(20) / 2, 10.0, [3.1]),
    queries(np.arange(20) / 2, 10.0),
    queries(np.arange(20) / 2, 10.0, [], [(3.0, 3.5)]),
]
PICKS: Picks = {
    "trained": [np.array(s) for s in ([0.0, 3.0, 5, 9], [0.0, 3, 5, 9], [0.0, 3.0, 5, 9])],
    "untrained": [np.array(s) for s in ([0.0, 3.0, 5, 9], [0.0, 3, 5, 9], [0.0, 2.5, 5, 9])],
}


def scored(questions: list[TimedQuestion], picks: Picks) -> ScoreTable:
    return score_table(questions, figure_tables(questions, picks, 4), list(FIGURES), 0)


def test_the_panel_is_the_means_over_the_questions_that_have_the_label() -> None:
    result = scored(QUESTIONS, PICKS)
    assert (result.questions, result.skipped) == (2, 1)
    assert list(result.rows) == ["trained", "untrained", "uniform", "random", "oracle"]
    figures = [name for name in FIGURES if name not in ("UKSS", "sequence")]  # scenes, events
    assert all(list(row) == figures for row in result.rows.values())
    rows = means(result.rows)
    assert rows["trained"]["hit"] == 1.0
    assert rows["untrained"]["hit"] == 0.5
    assert rows["untrained"]["precision"] == 0.125
    assert rows["untrained"]["hit@0.5"] == 1.0  # one question has it
    assert result.rows["untrained"]["hit@0.5"].questions == 1
    chances = [both(one, "hit")[0] for one in (QUESTIONS[0], QUESTIONS[2])]
    assert rows["random"]["hit"] == pytest.approx(np.mean(chances))
    assert rows["oracle"]["hit"] == 1.0
    assert list(result.minus_uniform) == ["trained", "untrained", "random", "oracle"]
    lead = rows["trained"]["hit"] - rows["uniform"]["hit"]
    assert result.minus_uniform["trained"]["hit"].mean == pytest.approx(lead)


def test_a_figure_that_no_question_has_is_left_out() -> None:
    rows = scored(QUESTIONS[1:], {}).rows
    assert list(rows) == ["uniform", "random", "oracle"]
    own = ["hit", "recall", "precision", "segments", "IoP", "IoU"]
    assert all(list(row) == own for row in rows.values())


def test_the_tables_have_a_row_for_each_question() -> None:
    tables = figure_tables(QUESTIONS, PICKS, 4)
    assert {name: table.shape for name, table in tables.items()} == dict.fromkeys(
        ["trained", "untrained", "uniform", "random", "oracle"], (3, len(FIGURES))
    )
    assert tables["untrained"][:, 0].tolist() == pytest.approx([1.0, math.nan, 0.0], nan_ok=True)
    assert {name: table.shape for name, table in figure_tables([], {}, 4).items()} == dict.fromkeys(
        ["uniform", "random", "oracle"], (0, len(FIGURES))
    )


def test_uniform_is_pick_uniform() -> None:
    one = queries(np.arange(32) / 4, 8.0, [], [(1, 1), (3.1, 3.9), (7.0, 8.0)])
    assert uniform_picks([one], 4)[0].tolist() == [1, 3, 5, 7]
    assert one.time_s[pick_uniform(one.time_s, 8.0, 4)].tolist() == [1, 3, 5, 7]
    assert scored([one], {}).rows["uniform"]["recall"].mean == pytest.approx(2 / 3)


@pytest.mark.parametrize("questions", [[], QUESTIONS[1:2]])
def test_without_any_label_one_line_says_so(questions: list[TimedQuestion]) -> None:
    with pytest.raises(
        CueframeError, match=f"none of {len(questions)} questions has support_"
    ) as e:
        scored(questions, {})
    assert "\n" not in str(e.value)


def test_picks_must_be_of_the_same_questions() -> None:
    with pytest.raises(ValueError, match="shorter"):
        figure_tables(QUESTIONS, {"trained": PICKS["trained"][:2]}, 4)


def test_differences_are_paired() -> None:
    # Two pickers that swing from video to video together: their difference is steady.
    questions = [
        queries(np.arange(20) / 2, 10.0, [3.0 if n % 2 else 7.0], video=f"v{n}") for n in range(12)
    ]
    tables = {
        "mine": np.array([[0.2 + 0.8 * (n % 2)] for n in range(12)]),
        "uniform": np.array([[0.8 * (n % 2)] for n in range(12)]),
    }
    result = score_table(questions, tables, ["hit"], seed=0)
    assert result.rows["mine"]["hit"].high - result.rows["mine"]["hit"].low > 0.3
    lead = result.minus_uniform["mine"]["hit"]
    assert (lead.low, lead.mean, lead.high) == pytest.approx((0.2, 0.2, 0.2))


def test_each_question_may_have_its_own_k() -> None:
    timed, ks = [QUESTIONS[0], QUESTIONS[2]], [2, 4]
    picks = [PICKS["trained"][0][:2], PICKS["trained"][2]]
    together = figure_tables(timed, {"mine": picks}, ks)
    for n, k in enumerate(ks):
        alone = figure_tables([timed[n]], {"mine": [picks[n]]}, k)
        assert list(alone) == list(together)
        for name, table in alone.items():
            np.testing.assert_array_equal(table[0], together[name][n])
    assert [len(own) for own in uniform_picks(timed, ks)] == ks
    for wrong in ([4], [4, 4, 4]):
        with pytest.raises(ValueError, match="argument"):
            figure_tables(timed, {"mine": picks}, wrong)


def test_without_a_duration_the_picks_alone_have_figures() -> None:
    nothing = np.empty(0)
    lost = QUESTIONS[2]._replace(time_s=nothing, end_s=nothing, duration_s=math.nan)
    tables = figure_tables([QUESTIONS[2], lost], {"mine": PICKS["trained"][1:]}, 4)
    figures = dict(zip(FIGURES, tables["mine"].T, strict=True))
    assert figures["hit"].tolist() == figures["recall"].tolist() == [1.0, 1.0]
    assert figures["IoP"][0] == figures["IoP"][1] > 0
    assert not math.isnan(figures["segments"][0])
    assert math.isnan(figures["segments"][1])
    for name in ("uniform", "random", "oracle"):
        assert not np.isnan(tables[name][0]).all()
        assert np.isnan(tables[name][1]).all()
