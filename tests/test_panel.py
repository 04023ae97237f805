"""The panel: means, intervals by video, differences, tables; by hand and against plain loops."""

import json
import math

import numpy as np
import pytest

from index.errors import CueframeError
from infer.baselines import FIGURES
from infer.metrics import Timed
from infer.panel import (
    RESAMPLES,
    Floats,
    Panel,
    as_json,
    estimates,
    group_cells,
    means,
    panel,
    panel_cells,
    print_table,
    tables_of,
    uniform_picks,
    with_interval,
)
from infer.pick import pick_uniform
from tests.test_baselines import asked, both

Picks = dict[str, list[Floats]]

QUESTIONS = [
    asked(np.arange(20) / 2, 10.0, [3.1]),
    asked(np.arange(20) / 2, 10.0),
    asked(np.arange(20) / 2, 10.0, [], [(3.0, 3.5)]),
]
PICKS: Picks = {
    "trained": [np.array(s) for s in ([0.0, 3.0, 5, 9], [0.0, 3, 5, 9], [0.0, 3.0, 5, 9])],
    "untrained": [np.array(s) for s in ([0.0, 3.0, 5, 9], [0.0, 3, 5, 9], [0.0, 2.5, 5, 9])],
}


def scored(questions: list[Timed], picks: Picks) -> Panel:
    return panel(questions, tables_of(questions, picks, 4), list(FIGURES), 0)


def test_the_panel_is_the_means_over_the_questions_that_have_the_label() -> None:
    result = scored(QUESTIONS, PICKS)
    assert (result.questions, result.skipped) == (2, 1)
    assert list(result.rows) == ["trained", "untrained", "uniform", "random", "oracle"]
    assert all(list(row) == list(FIGURES) for row in result.rows.values())
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
    tables = tables_of(QUESTIONS, PICKS, 4)
    assert {name: table.shape for name, table in tables.items()} == dict.fromkeys(
        ["trained", "untrained", "uniform", "random", "oracle"], (3, len(FIGURES))
    )
    assert tables["untrained"][:, 0].tolist() == pytest.approx([1.0, math.nan, 0.0], nan_ok=True)
    assert {name: table.shape for name, table in tables_of([], {}, 4).items()} == dict.fromkeys(
        ["uniform", "random", "oracle"], (0, len(FIGURES))
    )


def test_uniform_is_pick_uniform() -> None:
    one = asked(np.arange(32) / 4, 8.0, [], [(1, 1), (3.1, 3.9), (7.0, 8.0)])
    assert uniform_picks([one], 4)[0].tolist() == [1, 3, 5, 7]
    assert one.time_s[pick_uniform(one.time_s, 8.0, 4)].tolist() == [1, 3, 5, 7]
    assert scored([one], {}).rows["uniform"]["recall"].mean == pytest.approx(2 / 3)


@pytest.mark.parametrize("questions", [[], QUESTIONS[1:2]])
def test_without_any_label_one_line_says_so(questions: list[Timed]) -> None:
    with pytest.raises(
        CueframeError, match=f"none of {len(questions)} questions has support_"
    ) as e:
        scored(questions, {})
    assert "\n" not in str(e.value)


def test_picks_must_be_of_the_same_questions() -> None:
    with pytest.raises(ValueError, match="shorter"):
        tables_of(QUESTIONS, {"trained": PICKS["trained"][:2]}, 4)


def test_intervals_are_a_bootstrap_over_videos() -> None:
    rng = np.random.default_rng(3)
    videos = [f"v{n}" for n in rng.integers(0, 12, 60)]
    of_video = {video: rng.random() for video in videos}
    table = np.array([[of_video[v], rng.random()] for v in videos])
    table[rng.random((60, 2)) < 0.2] = np.nan
    found = estimates(table, videos, seed=5)

    names = sorted(set(videos))
    for column, estimate in enumerate(found):
        known = ~np.isnan(table[:, column])
        assert estimate.mean == pytest.approx(table[known, column].mean())
        assert estimate.questions == known.sum()
        resampled = []
        for _ in range(RESAMPLES):  # video by video, question by question
            drawn = [
                table[n, column]
                for name in rng.choice(names, len(names))
                for n in range(60)
                if videos[n] == name and known[n]
            ]
            resampled.append(np.mean(drawn))
        low, high = np.percentile(resampled, [2.5, 97.5])
        assert estimate.low == pytest.approx(low, abs=0.02)
        assert estimate.high == pytest.approx(high, abs=0.02)
    # Questions of one video that go together are worth fewer than as many on their own.
    alone = estimates(table, [str(n) for n in range(60)], seed=5)
    assert found[0].high - found[0].low > 1.5 * (alone[0].high - alone[0].low)
    assert estimates(table, videos, seed=5) == found
    assert estimates(table, videos, seed=6) != found


def test_one_video_gives_no_interval() -> None:
    (estimate,) = estimates(np.array([[0.0], [1.0]]), ["v", "v"], seed=0)
    assert (estimate.mean, estimate.questions) == (0.5, 2)
    assert math.isnan(estimate.low)
    assert math.isnan(estimate.high)


def test_a_constant_has_an_interval_of_no_width() -> None:
    (estimate,) = estimates(np.full((6, 1), 0.25), ["a", "b", "c", "a", "b", "c"], seed=0)
    assert estimate == (0.25, 0.25, 0.25, 6)


def test_differences_are_paired() -> None:
    # Two pickers that swing from video to video together: their difference is steady.
    questions = [
        asked(np.arange(20) / 2, 10.0, [3.0 if n % 2 else 7.0], video=f"v{n}") for n in range(12)
    ]
    tables = {
        "mine": np.array([[0.2 + 0.8 * (n % 2)] for n in range(12)]),
        "uniform": np.array([[0.8 * (n % 2)] for n in range(12)]),
    }
    result = panel(questions, tables, ["hit"], seed=0)
    assert result.rows["mine"]["hit"].high - result.rows["mine"]["hit"].low > 0.3
    lead = result.minus_uniform["mine"]["hit"]
    assert (lead.low, lead.mean, lead.high) == pytest.approx((0.2, 0.2, 0.2))


def test_json_knows_no_nan() -> None:
    told = as_json(scored(QUESTIONS, PICKS))
    assert json.loads(json.dumps(told, allow_nan=False)) == told
    assert told["rows"]["trained"]["hit"]["low"] is None
    assert told["minus_uniform"]["trained"]["hit"]["questions"] == 2


def test_tables_of_texts() -> None:
    result = panel(
        [asked(np.arange(20) / 2, 10.0, [3.0], video=v) for v in "ab"],
        {
            "mine": np.array([[0.9712, 0.5], [0.9712, 0.5]]),
            "uniform": np.array([[0.4, np.nan], [0.4, np.nan]]),
        },
        ["hit", "distance_s"],
        seed=0,
    )
    assert panel_cells(result, ["mine"]) == [
        ["%, _s: seconds", "mine", "uniform", "mine − uniform"],
        ["hit", "97.1 (97.1 … 97.1)", "40.0 (40.0 … 40.0)", "57.1 (57.1 … 57.1)"],
        ["distance_s", "0.50 (0.50 … 0.50)", "–", "–"],
    ]
    assert with_interval("recall", result.rows["mine"]) == "–"
    assert group_cells({"language": {"vi": result}}, "mine", "hit") == [
        ["hit, %, by", "questions", "mine", "uniform", "mine − uniform"],
        ["language: vi", "2", *panel_cells(result, ["mine"])[1][1:]],
    ]


def test_the_table_is_aligned_and_goes_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    print_table([["%", "hit", "sim_0.95"], ["trained", "97.1", "100.0"], ["uniform", "40.0", "–"]])
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "%         hit  sim_0.95",
        "trained  97.1     100.0",
        "uniform  40.0         –",
    ]
