"""Models of open_clip and sentence-transformers through index, answer and training."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from index.build import BuildConfig, build
from index.errors import CueframeError
from index.models.encoder import load_encoder
from index.storage.store import read_profile
from tests import fixtures_train
from tests.fixtures_infer import ran
from tests.other_libraries import WORDS, clip_config, save_open_clip
from tests.sentence_models import make
from train.mining.rules import load_mining_encoder

CPU = torch.device("cpu")
Capture = pytest.CaptureFixture[str]


def built(index: Path, model: Path) -> Path:
    here = fixtures_train.world()
    assert build(BuildConfig(videos=here.videos, index=index, model=str(model), workers=1)) == 0
    return index


@pytest.mark.parametrize("kind", ["open_clip", "clip"])
def test_a_model_is_indexed_asked_and_trained(kind: str, tmp_path: Path, capsys: Capture) -> None:
    if kind == "open_clip":
        model = save_open_clip(tmp_path / "model", clip_config())
    else:
        model = make(kind, tmp_path / "model")
    index = built(tmp_path / "index", model)
    questions = fixtures_train.world().json_path
    output = tmp_path / "answers.jsonl"
    found = ran(capsys, "answer.py", questions, "--index", index, "--output", output)
    assert (found.code, len(output.read_text().splitlines())) == (0, fixtures_train.QUESTIONS)

    tuned = fixtures_train.trained(tmp_path / "tuned", model=str(model), epochs=1, tune="all")
    assert len(fixtures_train.losses(tuned)) == 5
    card = (tuned / "README.md").read_text()
    library = "open_clip" if kind == "open_clip" else "sentence-transformers"
    assert f"library_name: {library}\n" in card
    encoder, fingerprint = load_encoder(str(tuned), device=CPU)
    assert fingerprint != read_profile(index).fingerprint
    before, _ = load_encoder(str(model), device=CPU)
    assert (encoder.texts(["red"])[0] != before.texts(["red"])[0]).any()

    # The vision side stays as it is, so the index does as well.
    flags: dict[str, Any] = {"model": str(model), "epochs": 1, "tune": "text", "index": index}
    texts = fixtures_train.trained(tmp_path / "texts", **flags)
    assert load_encoder(str(texts), device=CPU)[1] == read_profile(index).fingerprint
    again = fixtures_train.trained(tmp_path / "again", **flags | {"gradient_checkpointing": True})
    assert fixtures_train.losses(again) == pytest.approx(fixtures_train.losses(texts), abs=1e-5)


def test_a_text_tower_asks_an_index_of_another_model(tmp_path: Path, capsys: Capture) -> None:
    model, tower = make("clip", tmp_path / "model"), make("text", tmp_path / "tower")
    index = built(tmp_path / "index", model)
    questions = fixtures_train.world().json_path
    output = tmp_path / "answers.jsonl"
    capsys.readouterr()
    call = ("--index", index, "--model", tower)
    found = ran(capsys, "answer.py", questions, *call, "--output", output)
    said = f"{tower} has no vision side to compare with {index}; that its texts belong"
    assert found.code == 0
    assert found.err.count(said) == 1
    assert ran(capsys, "find.py", "a red truck", *call).records
    assert said in ran(capsys, "compare.py", questions, *call).err

    flags: dict[str, Any] = {"model": str(tower), "epochs": 1}
    tuned = fixtures_train.trained(tmp_path / "tuned", **flags, tune="text", index=index)
    assert len(fixtures_train.losses(tuned)) == 5
    before, after = (load_encoder(str(one), device=CPU)[0] for one in (tower, tuned))
    assert (before.texts([WORDS[0]])[0] != after.texts([WORDS[0]])[0]).any()
    assert "--tune text --index" in fixtures_train.refusal(tmp_path / "no", **flags)
    with pytest.raises(CueframeError, match="is a text tower without a vision side"):
        built(tmp_path / "other", tower)
    assert not (tmp_path / "other" / "profile.json").exists()
    with pytest.raises(CueframeError, match="is a text tower without a vision side"):
        built(index, tower)
    with pytest.raises(CueframeError, match="is a text tower without a vision side"):
        load_mining_encoder(index, model=str(tower), fps=None, dtype="auto", device=CPU)


def test_a_text_tower_of_another_width(tmp_path: Path) -> None:
    index = built(tmp_path / "index", fixtures_train.world().model)
    tower = make("text", tmp_path / "tower")
    width = read_profile(index).width
    assert width != 32
    line = fixtures_train.refusal(tmp_path / "no", model=str(tower), tune="text", index=index)
    assert f"gives texts 32 values, and the vectors of {index} have {width}" in line
    assert json.loads((index / "profile.json").read_text())["width"] == width
