"""The panel is the score table and its breakdown, printed and as JSON."""

import numpy as np
import pytest

from infer.evaluation.baselines import FIGURES
from infer.evaluation.breakdown import breakdown
from infer.evaluation.panel import OWN_ROW, make_panel, panel_json, print_panel
from infer.evaluation.score_table import figure_tables, score_table
from infer.evaluation.text_tables import table_json
from tests.infer.evaluation.test_score_table import PICKS, QUESTIONS


def test_a_panel_is_a_table_and_its_groups(capsys: pytest.CaptureFixture[str]) -> None:
    tables = figure_tables(QUESTIONS, {OWN_ROW: PICKS["trained"]}, 4)
    panel = make_panel(QUESTIONS, tables, list(FIGURES), 0)
    np.testing.assert_array_equal(panel.own, tables[OWN_ROW])
    told = panel_json(panel)
    assert set(told) == {"rows", "minus_uniform", "by"}
    whole = table_json(score_table(QUESTIONS, tables, list(FIGURES), 0))
    assert {name: told[name] for name in whole} == whole
    groups = breakdown(QUESTIONS, tables, list(FIGURES), 0)
    assert {by: list(of) for by, of in told["by"].items()} == {
        by: list(of) for by, of in groups.items()
    }
    print_panel(panel)
    out, err = capsys.readouterr()
    above, below = err.split("\n\n")
    assert out == ""
    assert above.split("\n")[0].split() == [
        *("%,", "_s:", "seconds", OWN_ROW, "uniform", "random", "oracle"),
        *(OWN_ROW, "−", "uniform"),
    ]
    assert below.startswith("hit, %, by")
