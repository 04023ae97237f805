"""The bench from drawn videos to its tables, with two videos on each side."""

import json
from pathlib import Path

import numpy as np
import pytest

import examples.picks.bench
from examples.picks.bench import BenchConfig, command
from examples.picks.choosing import described, figures_of
from examples.picks.clips import Clips
from examples.picks.curves import (
    NOISE_S,
    Curves,
    encoder_of,
    ornstein_uhlenbeck,
    picks_of,
    read_curves,
    with_noise,
)
from examples.picks.draw import draw_sides
from index.errors import CueframeError
from infer.choosing import candidates_of
from infer.evaluation.rule_picks import Candidate
from infer.question_files.loading import read_questions
from infer.questions import Question
from infer.selection.rules import Rule
from tests.fixtures_infer import build_index

SIDES = {"choosing": (Clips(2, 8, 9),), "test": (Clips(2, 9, 10),)}


@pytest.fixture(scope="module")
def folder(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bench")
    drawn = draw_sides(folder / "clips", SIDES, 0, 1)
    assert list(drawn) == ["choosing", "test"]
    assert min(drawn.values()) >= 8
    assert build_index(folder / "clips", folder / "index" / "100", tiny_model) == 0
    return folder


def test_it_chooses_on_one_side_and_measures_on_the_other(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, few in (("PERCENT", (100,)), ("NOISE", (1.0,)), ("KS", (1, 4))):
        monkeypatch.setattr(examples.picks.bench, name, few)
    tried = candidates_of(Candidate(Rule(), 1), 2.0, has_choices=True).values()
    rules = [one.rule for one in tried]
    monkeypatch.setattr(examples.picks.bench, "candidates", lambda: rules)
    assert command(BenchConfig(folder=folder, processes=1)) == 0
    said = capsys.readouterr()
    result = json.loads(said.out)
    assert list(result["rungs"]) == ["100 %", "100 %, noise 1"]
    asked = read_questions(str(folder / "clips/test/test.json")).records
    asked = [one for one in asked if not one.events]
    rung = result["rungs"]["100 %"]
    for k in ("1", "4"):
        rows = rung["frames"][k]["rows"]
        assert list(rows)[:4] == ["quarters", "hills", "dpp", "top"]
        assert {row["figures"]["hit"]["questions"] for row in rows.values()} == {len(asked)}
        assert rows["quarters"]["minus_quarters"]["hit"]["mean"] == 0
        assert rows["top"]["minus_top"]["hit"]["mean"] == 0
    curves = of_rung(folder, asked)
    chosen = json.loads((folder / "chosen.json").read_text())["100 %"]["4"]
    assert set(chosen["best"]) == {"quarters", "hills", "dpp", "top"}
    for label in chosen["best"].values():
        (rule,) = (rule for rule in rules if described(rule) == label)
        by_hand = figures_of(curves.timed, picks_of(curves, rule, 4), 4, ["hit"], {})
        assert rung["frames"]["4"]["rows"][label]["figures"]["hit"]["mean"] == pytest.approx(
            by_hand.mean()
        )
    assert chosen["auto"]["rule"] == "quarters"  # two videos are too few to choose on
    kinds = {one.model_extra["kind"] for one in asked if one.model_extra}
    assert set(rung["groups"]["kind"]) == kinds
    page = (folder / "picks.md").read_text()
    assert page in said.err
    assert "### 100 %, noise 1, K = 4" in page
    assert page.count("\n| auto | ") == 2


def of_rung(folder: Path, asked: list[Question]) -> Curves:
    index = folder / "index" / "100"
    return read_curves(index, asked, encoder_of(index))


def test_noise_is_as_large_and_as_lasting_as_it_says(folder: Path) -> None:
    time_s = np.arange(0, 40, 0.5)
    drawn = ornstein_uhlenbeck(time_s, np.arange(4000, dtype=np.uint64))
    assert np.abs(drawn.std(axis=0) - 1).max() < 0.06
    for apart in (1, 2, 5):
        got = (drawn[:, apart:] * drawn[:, :-apart]).mean()
        assert abs(got - np.exp(-0.5 * apart / NOISE_S)) < 0.01
    asked = read_questions(str(folder / "clips/test/test.json")).records
    plain = of_rung(folder, [one for one in asked if not one.events])
    once, again, other = (with_noise(plain, 0.5, seed) for seed in (1, 1, 2))
    for made, blocks in plain.scored.items():
        for (_, before), (_, one), (_, two), (_, three) in zip(
            blocks, once.scored[made], again.scored[made], other.scored[made], strict=True
        ):
            assert np.array_equal(one.scores, two.scores)
            assert not np.array_equal(one.scores, three.scores)
            away = (one.scores - before.scores).std(axis=1) / before.scores.std(axis=1)
            assert ((away > 0.15) & (away < 0.9)).all()


def test_questions_of_another_index_are_one_line(folder: Path) -> None:
    asked = read_questions(str(folder / "clips/test/test.json")).records
    gone = asked[0].model_copy(update={"video_path": "gone.mp4"})
    with pytest.raises(CueframeError, match=r"1 questions cannot be asked of .*gone\.mp4"):
        of_rung(folder, [gone])
