"""The rows of decoding: what a side says, and what the figures make of it."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.bench import decoding
from tests.bench.decoding import KINDS, RATES, rows
from tests.bench.frame import Spent, python
from tests.paths import ROOT
from tests.truths import Generated


def test_figures_are_shares_of_decoding_in_order(
    generated: Generated, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    video, _ = generated("b_frames")
    monkeypatch.setattr(decoding, "_write", lambda path, kind: path.write_bytes(video.read_bytes()))
    made = list(rows(tmp_path, False))
    assert [row.name for row in made] == [*(f"decode: {name}" for name in KINDS), "picked frames"]
    said = {side: dict.fromkeys(RATES, seconds) for side, seconds in _SPENT_S.items()}
    one = {side: Spent(1.0, 1.0, 1.0, spent) for side, spent in said.items()}
    for row, kind in zip(made, KINDS.values(), strict=False):
        by_what = {figure.what: figure for figure in row.figures}
        figure = by_what["CPU, 2 a second: auto / in order"]
        assert figure.of(one) == 0.5
        assert figure.at_most == pytest.approx(kind.shares[0] + 0.05)
        if "decord" in row.sides:
            assert by_what["CPU, 0.5 a second: auto / decord"].of(one) == 0.25


_SPENT_S = {"auto": 2.0, "in order": 4.0, "decord": 8.0}


def test_a_side_says_what_each_reading_took(generated: Generated) -> None:
    path, _ = generated("b_frames")
    side = python("tests.bench.decoding", "auto", path, "2", "picked")
    run = subprocess.run(side, cwd=ROOT, capture_output=True, text=True, check=True)
    said = json.loads(run.stdout)
    assert set(said) == {"2", "picked"}
    assert min(said.values()) > 0


@pytest.mark.slow
def test_the_scene_can_be_encoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "SECONDS", 1)
    for kind in KINDS.values():
        decoding._write(tmp_path / kind.file, kind)
        assert (tmp_path / kind.file).stat().st_size > 1000
