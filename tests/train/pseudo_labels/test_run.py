"""train/pseudo.py over an index of the demo's scenes by an untrained encoder."""

import json
from pathlib import Path
from typing import Any

import pytest

from index.build import BuildConfig, build
from index.errors import CueframeError
from tests.fixtures_train import world
from train.data import load_data
from train.pseudo_labels.config import PseudoConfig, refuse_bad_values
from train.pseudo_labels.run import label
from train.split import PSEUDO_LABEL


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pseudo") / "index"
    here = world()
    build(BuildConfig(videos=here.videos, index=folder, model=str(here.model), workers=1))
    return folder


def written(path: Path, records: list[dict[str, Any]]) -> Path:
    path.write_text(json.dumps({"data": records}), encoding="utf-8")
    return path


def bare(record: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in record.items() if not k.startswith("support")}


def config(folder: Path, index: Path, **flags: Any) -> PseudoConfig:
    """Every second question has lost its label."""
    records = world().questions()
    usual: dict[str, Any] = {
        "json_path": written(folder / "labelled.json", records[::2]),
        "unlabelled": written(folder / "more.json", [bare(one) for one in records]),
        "index": index,
        "output_path": folder / "out.json",
        "precision": 0.01,  # an untrained encoder
        "folds": 2,
    }
    return PseudoConfig(**usual | flags)


def test_labels_that_are_no_gain_are_not_written(
    tmp_path: Path, index: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = config(tmp_path, index)
    assert label(asked) == 0
    said = capsys.readouterr()
    found = json.loads(said.out)
    records = world().questions()
    assert found["labelled"] == len(records[::2])
    assert found["unlabelled"] == len(records[1::2])  # the others are labelled
    assert found["gain"]["low"] <= 0
    assert not found["written"]
    assert not asked.output_path.exists()
    assert "nothing is written" in said.err


def test_labels_written_regardless_train_and_never_validate(
    tmp_path: Path, index: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = config(tmp_path, index, regardless=True)
    assert label(asked) == 0
    found = json.loads(capsys.readouterr().out)
    data = json.loads(asked.output_path.read_text(encoding="utf-8"))["data"]
    given = world().questions()[::2]
    assert [one["id"] for one in data[: len(given)]] == [one["id"] for one in given]
    assert all(one["support_frames"] for one in data)
    assert data[: len(given)] == given
    marked = data[len(given) :]
    assert len(marked) == found["pseudo_labelled"] > 0
    assert all(one[PSEUDO_LABEL]["lead"] >= found["margin"]["least"] - 1e-4 for one in marked)
    here = world()
    train_list, val_list = load_data(asked.output_path, None, here.videos, 1, ratio=0.5)
    pseudo = {one["id"] for one in marked}
    assert pseudo & {one["id"] for one in train_list}
    assert not pseudo & {one["id"] for one in val_list}
    assert val_list


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ({"precision": 1.5}, "--precision is 1.5; give a share above 0, up to 1"),
        ({"folds": 1}, "--folds is 1; give 2 or more"),
        ({"guard_s": float("nan")}, "--guard_s is nan"),
        ({"strength": 0.0}, "--strength"),
        ({"unlabelled": Path("none.json")}, "none.json is not there"),
    ],
)
def test_bad_flags_are_refused(tmp_path: Path, index: Path, flags: Any, said: str) -> None:
    with pytest.raises(CueframeError, match=said):
        refuse_bad_values(config(tmp_path, index, **flags))


def test_what_cannot_be_learned_from_is_refused(tmp_path: Path, index: Path) -> None:
    with pytest.raises(CueframeError, match="fewer than --folds 50"):
        label(config(tmp_path, index, folds=50))
    with pytest.raises(CueframeError, match="have a label, or the id of one of"):
        label(config(tmp_path, index, unlabelled=tmp_path / "labelled.json"))
    model = Path(world().model)
    hashes = load_data(world().json_path, None, world().videos, 1, ratio=0.0)[0]
    content = {"split": {"train": {"videos": [hashes[0]["content_hash"]]}}}
    (model / "training.json").write_text(json.dumps(content))
    try:
        with pytest.raises(CueframeError, match="was trained; give questions about other videos"):
            label(config(tmp_path, index))
    finally:
        (model / "training.json").unlink()
