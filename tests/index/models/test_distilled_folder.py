"""The folder of a distilled model: whole, moved, damaged."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from index.errors import CueframeError
from index.models.distilled_folder import read_settings
from index.models.distilled_model import Distilled
from index.models.encoder import load_encoder
from index.models.libraries import is_model_folder, library_of
from index.models.model_files import files_fingerprint
from infer.evaluation.leakage import trained_videos
from tests.distilled_models import make_distilled, make_xlm
from tests.model_families import make_family
from train.model_card import save_model

CPU = torch.device("cpu")
TEXTS = ["xe tải đỏ", "a red truck"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("folders")
    teacher, student = make_family("clip", root / "clip"), make_xlm(root / "xlm")
    return make_distilled(root / "model", teacher, student, route="en")


@pytest.fixture
def folder(whole: Path, tmp_path: Path) -> Path:
    """A copy that may be damaged."""
    return Path(shutil.copytree(whole, tmp_path / "copy"))


def refused(folder: Path, match: str) -> None:
    with pytest.raises(CueframeError, match=match) as caught:
        load_encoder(str(folder), device=CPU)
    assert "\n" not in str(caught.value)


def test_it_can_be_moved_and_saved_again(whole: Path, folder: Path, tmp_path: Path) -> None:
    first, fingerprint = load_encoder(str(whole), device=CPU)
    moved, same = load_encoder(str(folder), device=CPU)
    assert same == fingerprint
    np.testing.assert_array_equal(moved.texts(TEXTS)[0], first.texts(TEXTS)[0])
    moved.model.ready_to_save()
    save_model(moved.model, output := tmp_path / "output")
    again, same = load_encoder(str(output), device=CPU)
    assert same == fingerprint
    np.testing.assert_array_equal(again.texts(TEXTS)[0], first.texts(TEXTS)[0])
    assert read_settings(output) == Distilled(route="en", languages=("vi",))
    files = {path.relative_to(whole) for path in whole.rglob("*") if path.is_file()}
    assert {path.relative_to(output) for path in output.rglob("*") if path.is_file()} == files
    assert str(whole).encode() not in b"".join(p.read_bytes() for p in whole.rglob("*.json"))


def test_its_files_are_those_of_both_parts(folder: Path) -> None:
    assert library_of(str(folder)) == "distilled"
    assert is_model_folder(folder)
    own = files_fingerprint(str(folder), "--model")
    (folder / "README.md").write_text("a card")
    (folder / "distillation.json").write_text("{}")
    assert files_fingerprint(str(folder), "--model") == own
    for name in (
        "distilled.json",
        "teacher/model.safetensors",
        "teacher/tokenizer.json",
        "student/model.safetensors",
        "student/3_Dense/model.safetensors",
        "student/1_Pooling/config.json",
    ):
        path = folder / name
        before = path.read_bytes()
        path.write_bytes(before + b" ")
        assert files_fingerprint(str(folder), "--model") != own, name
        path.write_bytes(before)
    assert files_fingerprint(str(folder), "--model") == own


@pytest.mark.parametrize(
    ("content", "match"),
    [
        ("{", "distilled.json is damaged"),
        ("[]", "distilled.json is damaged"),
        ("{}", "distilled.json is damaged"),
        ("null", "distilled.json is damaged"),
        ("[" * 100_000, "distilled.json is damaged"),
        ({"version": 2}, "is of version 2, and this Cueframe reads 1"),
        ({"version": 0}, "damaged .*version 0"),
        ({"version": True}, "damaged .*version True"),
        ({"version": "1"}, "damaged .*version '1'"),
        ({"route": 3}, "damaged .*route 3"),
        ({"route": ""}, "damaged .*route ''"),
        ({"languages": "vi"}, "damaged .*languages 'vi'"),
        ({"languages": [1]}, r"damaged .*languages \[1\]"),
        ({"more": 1}, "damaged"),
        ({"route": "xx"}, "the language 'xx' is none"),
        ({"languages": []}, "names no language"),
    ],
)
def test_damaged_settings(content: Any, match: str, folder: Path) -> None:
    path = folder / "distilled.json"
    if isinstance(content, dict):
        content = json.dumps(json.loads(path.read_text()) | content)
    path.write_text(content)
    refused(folder, match)


def test_a_part_that_is_not_there_or_another(folder: Path, whole: Path) -> None:
    for part in ("teacher", "student"):
        shutil.rmtree(folder / part)
        refused(folder, f"without its folder {part}")
        (folder / part).mkdir()
        refused(folder, "cannot be loaded|is damaged|is no folder here")
        (folder / part).rmdir()
        shutil.copytree(whole / part, folder / part)
    for name in ("teacher/model.safetensors", "student/model.safetensors"):
        (folder / name).rename(folder / "kept")
        refused(folder, "cannot be loaded|lacks")
        (folder / "kept").rename(folder / name)
    dense = folder / "student/3_Dense/model.safetensors"
    dense.rename(dense.with_name("pytorch_model.bin"))
    refused(folder, "weights as a pickle")
    shutil.rmtree(folder / "student")
    make_xlm(folder / "student")
    refused(folder, "modules.json")
    shutil.rmtree(folder / "student")
    shutil.copytree(whole / "student", folder / "student")
    shutil.rmtree(folder / "teacher")
    shutil.copytree(whole, folder / "teacher")
    refused(folder, "is a distilled model itself")
    shutil.rmtree(folder / "teacher")
    shutil.copytree(whole / "student", folder / "teacher")
    refused(folder, "has no vision side")


def record(folder: Path, video: str, model: str = "none") -> None:
    content = {"split": {"train": {"videos": [video]}}, "configuration": {"model": model}}
    (folder / "training.json").write_text(json.dumps(content))


def test_videos_of_both_parts_and_of_tuning_count(folder: Path, tmp_path: Path) -> None:
    assert trained_videos(str(folder)) == set()
    record(folder / "teacher", "of the teacher", str(tmp_path / "earlier"))
    record(folder / "student", "of the student")
    (tmp_path / "earlier").mkdir()
    record(tmp_path / "earlier", "earlier")
    known = {"of the teacher", "of the student", "earlier"}
    assert trained_videos(str(folder)) == known
    # What is saved again keeps them, also where its own training is recorded beside it.
    encoder, _ = load_encoder(str(folder), device=CPU)
    encoder.model.ready_to_save()
    tuned = tmp_path / "tuned"
    encoder.model.save(tuned)
    assert trained_videos(str(tuned)) == known
    record(tuned, "of tuning", str(folder))
    shutil.rmtree(folder)
    assert trained_videos(str(tuned)) == known | {"of tuning"}
    (tuned / "student" / "training.json").write_text("{")
    with pytest.raises(CueframeError, match=r"student/training.json cannot be read"):
        trained_videos(str(tuned))
