"""Score tables as JSON and as texts."""

import json

import numpy as np
import pytest

from infer.evaluation.score_table import (
    score_table,
)
from infer.evaluation.text_tables import (
    format_estimate,
    group_cells,
    print_table,
    table_cells,
    table_json,
)
from tests.infer.evaluation.test_baselines import queries
from tests.infer.evaluation.test_score_table import PICKS, QUESTIONS, scored


def test_json_knows_no_nan() -> None:
    told = table_json(scored(QUESTIONS, PICKS))
    assert json.loads(json.dumps(told, allow_nan=False)) == told
    assert told["rows"]["trained"]["hit"]["low"] is None
    assert told["minus_uniform"]["trained"]["hit"]["questions"] == 2


def test_tables_of_texts() -> None:
    result = score_table(
        [queries(np.arange(20) / 2, 10.0, [3.0], video=v) for v in "ab"],
        {
            "mine": np.array([[0.9712, 0.5], [0.9712, 0.5]]),
            "uniform": np.array([[0.4, np.nan], [0.4, np.nan]]),
        },
        ["hit", "distance_s"],
        seed=0,
    )
    assert table_cells(result, ["mine"]) == [
        ["%, _s: seconds", "mine", "uniform", "mine − uniform"],
        ["hit", "97.1 (97.1 … 97.1)", "40.0 (40.0 … 40.0)", "57.1 (57.1 … 57.1)"],
        ["distance_s", "0.50 (0.50 … 0.50)", "–", "–"],
    ]
    assert format_estimate("recall", result.rows["mine"]) == "–"
    assert group_cells({"language": {"vi": result}}, "mine", "hit") == [
        ["hit, %, by", "questions", "mine", "uniform", "mine − uniform"],
        ["language: vi", "2", *table_cells(result, ["mine"])[1][1:]],
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
