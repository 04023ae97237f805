"""The card is one that the hub reads, with figures, and without a path of this machine."""

import json
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import ModelCard

from tests.fixtures_train import trained, world
from train.model_card import write_card

ROWS = {"trained": {"hit": 0.975, "distance_s": 0.5}, "uniform": {"hit": 0.33, "distance_s": 2.0}}


def training(**changes: Any) -> dict[str, Any]:
    """What training.json holds of a run with validation."""
    configuration = {
        "model": "openai/clip-vit-base-patch32",
        "json_path": "/home/someone/data/train.json",
        "loss_setting": 3,
        "tune": "all",
        "lora_rank": None,
        "view": None,
        "long_text": "windows",
        "lr": 1e-5,
        "seed": 42,
        "judge": "none",
    }
    result = {
        "steps": 40,
        "saved_step": 30,
        "validation": ROWS,
        "intervals": {
            "trained": {"hit": [0.9, 1.0], "distance_s": [0.25, 0.75]},
            "uniform": {"hit": None, "distance_s": None},
        },
        "validation_questions": 17,
        "sim_m": {},
    }
    side = {"questions": ["1", "2"], "videos": ["a"]}
    return {
        "configuration": configuration | changes.pop("configuration", {}),
        "split": {"train": side, "validation": side},
        "result": result | changes.pop("result", {}),
        "library": "transformers",
        "languages": ["en", "no"],
        "data": "abc",
        "questions_per_step": 64,
        "mixed_precision": "no",
        "processes": 1,
        "device": {"type": "cpu", "name": "Some CPU"},
    } | changes


def card(tmp_path: Path, **changes: Any) -> Any:
    """The card of such a run, as the hub's library reads it."""
    write_card(tmp_path, training(**changes))
    return ModelCard.load(tmp_path / "README.md")


def test_the_front_matter_is_what_the_hub_reads(tmp_path: Path) -> None:
    found = card(tmp_path).data
    assert found.base_model == "openai/clip-vit-base-patch32"
    assert found.language == ["en", "no"]  # not YAML's false
    assert found.library_name == "transformers"
    assert "license" not in found.to_dict()


def test_figures_have_their_intervals(tmp_path: Path) -> None:
    text = card(tmp_path).text
    assert "| hit | 97.5 (90.0 … 100.0) | 33.0 |" in text
    assert "| distance_s | 0.50 (0.25 … 0.75) | 2.00 |" in text
    assert "17 questions" in text
    assert "95 %" not in card(tmp_path, result={"intervals": {}}).text
    assert "questions about videos" not in card(tmp_path, result={"validation": {}}).text


def test_there_is_no_path_of_the_machine(tmp_path: Path) -> None:
    base = tmp_path / "models" / "my\nown"
    base.mkdir(parents=True)
    judge = tmp_path / "judges" / "dino"
    judge.mkdir(parents=True)
    changes = {"model": str(base), "judge": str(judge)}
    found = card(tmp_path, configuration=changes, result={"sim_m": {"sim_m@0.9": 0.5}})
    assert found.data.base_model is None
    assert str(tmp_path) not in found.content
    assert "/home" not in found.content
    assert "fine-tuned from `my\\nown`" in found.text
    assert "to dino: sim_m@0.9 50.0 %" in found.text


def test_a_folder_passes_its_base_on(tmp_path: Path) -> None:
    card(tmp_path)
    again = tmp_path / "again"
    again.mkdir()
    found = card(again, configuration={"model": str(tmp_path)})
    assert found.data.base_model == "openai/clip-vit-base-patch32"
    (tmp_path / "README.md").write_text("---\nbase_model: [unclosed\n---\n")
    assert card(again, configuration={"model": str(tmp_path)}).data.base_model is None


@pytest.mark.parametrize("ratio", [0.0, 0.25])
def test_a_run_writes_card_device_time_and_languages(tmp_path: Path, ratio: float) -> None:
    output = trained(tmp_path / "out", ratio=ratio, epochs=1)
    found: Any = ModelCard.load(output / "README.md")
    assert sorted(found.data.language) == ["en", "vi"]
    assert str(tmp_path) not in found.content
    assert str(world().folder) not in found.content
    told = json.loads((output / "training.json").read_text())
    assert told["device"]["type"] == "cpu"
    assert told["device"]["name"]
    assert told["wall_s"] > 0
