"""The demo's verdict, on scores as infer/score.py writes them."""

import json
from pathlib import Path

import pytest

from examples.verdict import VerdictConfig, verdict


def scores(path: Path, hit: float, low: float) -> Path:
    lead = {"mean": hit - 0.3, "low": low, "high": hit}
    told = {
        "rows": {"answers": {"hit": {"mean": hit}}, "uniform": {"hit": {"mean": 0.3}}},
        "minus_uniform": {"answers": {"hit": lead}},
    }
    path.write_text(json.dumps(told))
    return path


@pytest.mark.parametrize(
    ("before", "after", "low", "code"),
    [(0.25, 0.98, 0.5, 0), (0.25, 0.4, -0.1, 1), (0.9, 0.8, 0.4, 1)],
)
def test_training_must_beat_uniform_and_what_was_before(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    before: float,
    after: float,
    low: float,
    code: int,
) -> None:
    trained = scores(tmp_path / "trained.json", after, low)
    untrained = scores(tmp_path / "untrained.json", before, -0.2)
    assert verdict(VerdictConfig(trained=trained, untrained=untrained)) == code
    said = capsys.readouterr()
    assert said.out.count("\n") == 1
    assert f"a right frame for {100 * after:.1f} %, uniform frames hold one for 30.0 %" in said.out
    assert f"the untrained model's for {100 * before:.1f} %" in said.out
    assert ("for nothing" in said.err) == (code == 1)
