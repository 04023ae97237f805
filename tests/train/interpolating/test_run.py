"""train/interpolate.py from its flags to the folder that it writes."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from index.errors import CueframeError
from index.models.encoder import load_dual_model
from infer.evaluation.leakage import trained_videos
from tests.fixtures_train import forget_accelerate, trained, weights, world
from tests.train.interpolating.test_mixing import other
from train.interpolate import interpolate
from train.interpolating.choosing import GRID, best_alpha
from train.interpolating.config import InterpolateConfig
from train.validate import validate


def made(output: Path, a: Path, b: Path, **flags: Any) -> Path:
    forget_accelerate()
    assert interpolate(InterpolateConfig(a=str(a), b=str(b), output_path=output, **flags)) == 0
    forget_accelerate()
    return output


def result_of(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    [line] = capsys.readouterr().out.splitlines()
    found: dict[str, Any] = json.loads(line)
    return found


def test_the_folder_is_a_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a = world().model
    b = other(a, tmp_path / "b", "text_")
    output = made(tmp_path / "c", a, b, alpha=0.25)
    result = result_of(capsys)
    assert result["alpha"] == 0.25
    assert result["indexes_stay_valid"] == {"a": True, "b": True}
    wanted = 0.75 * weights(a) + 0.25 * weights(b)
    assert torch.allclose(weights(output), wanted, atol=1e-6)
    load_dual_model(str(output), None)
    assert not (output / "training.json").exists()
    card = (output / "README.md").read_text()
    assert "`model` plus α times that of `b`, with α = 0.25" in card
    assert str(tmp_path) not in card
    record = json.loads((output / "interpolation.json").read_text())
    assert (record["a"], record["b"], record["result"]["alpha"]) == (str(a), str(b), 0.25)


@pytest.mark.parametrize("tune", ["all", "text"])
def test_alpha_is_chosen_on_videos_that_were_held_out(
    tune: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    here = world()
    tuned = trained(tmp_path / "tuned", epochs=1, ratio=0.25, tune=tune)
    split = json.loads((tuned / "training.json").read_text())["split"]
    capsys.readouterr()
    passes: list[int] = []

    def counted(*given: Any, **named: Any) -> Any:
        passes.append(named["index"] is None)
        return validate(*given, **named)

    monkeypatch.setattr("train.interpolating.choosing.GRID", (0.0, 0.5, 1.0))
    monkeypatch.setattr("train.interpolating.choosing.validate", counted)
    flags: dict[str, Any] = {"json_path": here.json_path, "video_path": here.videos}
    output = made(tmp_path / "c", here.model, tuned, alpha="auto", **flags)
    printed = capsys.readouterr()
    result = json.loads(printed.out.splitlines()[-1])
    assert passes == [tune == "all"] * 3  # videos encoded again where the vision side differs
    record = json.loads((output / "interpolation.json").read_text())
    by_alpha = record["validation_by_alpha"]
    assert by_alpha.keys() == {"0.0", "0.5", "1.0"}
    best = by_alpha[str(result["alpha"])]
    assert {name: result[name] for name in best} == best
    # Chosen on one half of the videos, and reported on the other.
    rank = {
        alpha: [
            one["chosen_on"]["validation"]["trained"][n] for n in ("hit", "recall", "precision")
        ]
        for alpha, one in by_alpha.items()
    }
    questions = best["chosen_on"]["questions"] + best["validation_questions"]
    assert questions == result["questions"]
    assert rank[str(result["alpha"])] == max(rank.values())
    assert result["questions"] == len(split["validation"]["questions"])
    assert f"{len(split['train']['questions'])} of 38 questions are about videos" in printed.err
    assert all(f"alpha {alpha}: picks for" in printed.err for alpha in by_alpha)
    assert result["indexes_stay_valid"]["a"] == (tune == "text" or result["alpha"] == 0)
    assert trained_videos(str(output)) == set(split["train"]["videos"])
    assert not list(output.glob(".run-*"))


def test_videos_that_were_trained_on_are_refused(tmp_path: Path) -> None:
    here = world()
    tuned = trained(tmp_path / "tuned", epochs=1)
    flags: dict[str, Any] = {"json_path": here.json_path, "video_path": here.videos}
    with pytest.raises(CueframeError, match=r"all 38 questions of .* was trained; name others"):
        made(tmp_path / "c", here.model, tuned, alpha="auto", **flags)
    assert not (tmp_path / "c").exists()


@pytest.mark.parametrize(
    ("flags", "wanted"),
    [
        ({"alpha": 1.5}, "--alpha is 1.5; give a number from 0 to 1, or auto"),
        ({"alpha": float("nan")}, "--alpha is nan; give a number"),
        ({"alpha": "auto"}, "name their file by --json_path"),
        ({"alpha": "auto", "json_path": Path("no.json")}, "no.json is not there; name"),
        ({"json_path": Path("no.json")}, "--json_path no.json is for --alpha auto"),
    ],
)
def test_bad_calls_are_one_line(flags: dict[str, Any], wanted: str, tmp_path: Path) -> None:
    with pytest.raises(CueframeError) as refused:
        made(tmp_path / "c", world().model, world().model, **flags)
    assert wanted in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    output = shutil.copytree(world().model, tmp_path / "c")
    with pytest.raises(CueframeError, match="is there and not empty"):
        made(output, world().model, world().model)
    assert torch.equal(weights(output), weights(world().model))


@pytest.mark.parametrize(
    ("hits", "wanted"),
    [
        ({}, 0.5),
        ({0.9: 2, 0.2: 2}, 0.2),
        ({0.7: 2, 0.3: 2, 1.0: 2}, 0.3),
        ({0.0: 1, 1.0: 2}, 1.0),
    ],
)
def test_the_best_alpha(hits: dict[float, int], wanted: float) -> None:
    assert best_alpha({alpha: [hits.get(alpha, 0), 0.5, 0.5] for alpha in GRID}) == wanted


def test_the_grid() -> None:
    assert GRID == (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
