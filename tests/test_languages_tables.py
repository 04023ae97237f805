"""The bench's tables: shares of English's hit, and what was noted of each run."""

from typing import Any

import numpy as np
import pytest

from examples.languages.tables import AS_IT_IS, ENGLISH, MIXED_UP, UNIFORM, markdown, summary

VIDEOS = [f"video {n // 2}" for n in range(8)]
HELD_OUT = [True, False] * 4
ONE, HALF, NONE = np.ones(8), np.array([1.0, 0.0] * 4), np.zeros(8)


def rows() -> dict[str, list[dict[str, Any]]]:
    others = {f"other_{n}": HALF for n in (1, 2, 3)}
    noted = {"pairs": 20, "head": "ridge", "wall_s": 3.4, "english_is_equal": True}
    return {
        ENGLISH: [{"hits": {"english": ONE}}] * 2,
        AS_IT_IS: [{"hits": {"vietnamese": NONE} | others}] * 2,
        MIXED_UP: [{"hits": {"english": HALF}}] * 2,
        UNIFORM: [{"hits": {"english": HALF}}] * 2,
        "20 pairs": [
            {"hits": {"english": ONE, "vietnamese": one} | others} | noted for one in (ONE, HALF)
        ],
    }


def test_hits_are_averaged_over_encoders_and_compared_with_english_and_uniform() -> None:
    result = summary(rows(), VIDEOS, HELD_OUT, 0)
    assert (result["questions"], result["videos"], result["with_words"]) == (8, 4, 4)
    taught = result["rows"]["20 pairs"]
    own = taught["wordings"]["vietnamese"]
    assert own["by_encoder"] == [1, 0.5]
    assert own["hit"]["mean"] == own["of_english"]["mean"] == 0.75
    assert own["minus_uniform"]["mean"] == 0.25
    assert taught["wordings"]["all_others"]["of_english"]["mean"] == 0.5
    assert taught["by_words"]["words held out"]["of_english"]["mean"] == 1
    assert taught["by_words"]["other words"]["of_english"]["mean"] == 0.5
    assert result["rows"][AS_IT_IS]["wordings"]["vietnamese"]["minus_uniform"]["mean"] == -0.5


@pytest.mark.parametrize("equal", [True, False])
def test_the_tables_have_a_row_for_each_choice(equal: bool) -> None:
    given = rows()
    given["20 pairs"][1]["english_is_equal"] = equal
    text = markdown(summary(given, VIDEOS, HELD_OUT, 0))
    lines = text.splitlines()
    assert sum(line.startswith("| 20 pairs |") for line in lines) == 4
    assert "| 20 pairs | 75.0 (75.0 … 75.0) | 100.0 | 50.0 |" in text
    assert f"| 20 pairs | 20 | ridge, ridge | 3, 3 | {'yes' if equal else 'NO'} |" in lines
    assert "−50.0" in text
