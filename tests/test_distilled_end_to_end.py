"""An index that a teacher built is asked, searched and trained on with a distilled model."""

import json
import shutil
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from index.build import BuildConfig, build
from index.models.encoder import load_encoder
from index.storage.store import read_profile
from infer.evaluation.leakage import trained_videos
from tests import fixtures_infer, fixtures_train
from tests.distilled_models import make_distilled, make_xlm
from tests.fixtures_infer import INDEXED, ran, write_questions

CPU = torch.device("cpu")
Capture = pytest.CaptureFixture[str]
LONG = "Which sign stands on the left of the road? " * 20


class Made(NamedTuple):
    """Distilled models over the teacher of `tests.fixtures_infer.world`."""

    routed: Path
    whole: Path


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Made:
    root = tmp_path_factory.mktemp("models")
    teacher, student = fixtures_infer.world().model, make_xlm(root / "student")
    return Made(
        make_distilled(root / "routed", teacher, student, route="en"),
        make_distilled(root / "whole", teacher, student, route=None),
    )


def english(path: Path) -> Path:
    choices = ["A. Red", "B. A blue bus that stands on the left of the bridge"]
    return write_questions(
        path,
        {"question": "Which colour has the car?", "video_path": INDEXED[0]},
        {"question": LONG, "video_path": INDEXED[0]},
        {"question": "red car", "video_path": INDEXED[1], "choices": choices},
        {"question": "50?", "video_path": INDEXED[2]},
        {"question": LONG, "video_path": INDEXED[3], "choices": choices},
    )


def answered(capsys: Capture, questions: Path, output: Path, *flags: object) -> bytes:
    index = fixtures_infer.world().index
    found = ran(capsys, "answer.py", questions, "--index", index, "--output", output, *flags)
    assert found.code == 0, found.err
    return output.read_bytes()


def contents(index: Path) -> dict[Path, bytes]:
    """The files of an index, without the proofs, of which there are more with each model."""
    files = [path for path in index.rglob("*") if path.is_file()]
    return {path: path.read_bytes() for path in files if path.parent.name != "proofs"}


def scores(answers: bytes) -> dict[str, Any]:
    lines = [json.loads(line) for line in answers.splitlines()]
    return {line["id"]: [frame["score"] for frame in line["frames"]] for line in lines}


@pytest.mark.parametrize("flags", [(), ("--caption", 3), ("--choices", "each")])
def test_english_answers_are_equal_to_the_byte(
    flags: tuple[object, ...], models: Made, tmp_path: Path, capsys: Capture
) -> None:
    questions = english(tmp_path / "english.json")
    own = answered(capsys, questions, tmp_path / "own.jsonl", *flags)
    for name, same in (("routed", True), ("whole", False)):
        output = tmp_path / f"{name}.jsonl"
        model = ("--model", getattr(models, name))
        assert (answered(capsys, questions, output, *flags, *model) == own) == same


def test_a_mixed_file_is_shared_out(models: Made, tmp_path: Path, capsys: Capture) -> None:
    index = fixtures_infer.world().index
    before = contents(index)
    questions = english(tmp_path / "english.json")
    records = json.loads(questions.read_text())["data"]
    vietnamese = {"id": "vi", "question": "Xe tải đỏ màu gì?", "video_path": INDEXED[0]}
    long = {"id": "long", "question": "Xe tải nào đi qua? " * 90, "video_path": INDEXED[1]}
    records[1:1] = [vietnamese, long]
    questions.write_text(json.dumps({"data": records}, ensure_ascii=False))
    found = {
        name: scores(answered(capsys, questions, tmp_path / f"{name}.jsonl", *model))
        for name, model in (
            ("teacher", ()),
            ("routed", ("--model", models.routed)),
            ("whole", ("--model", models.whole)),
        )
    }
    for name, shown in found["routed"].items():
        reader = "whole" if name in ("vi", "long") else "teacher"
        np.testing.assert_allclose(shown, found[reader][name], atol=1e-5)
    assert found["whole"]["vi"] != found["teacher"]["vi"]
    # A moved folder answers alike, and the index is as it was, but for its proofs.
    moved = Path(shutil.copytree(models.routed, tmp_path / "moved"))
    again = answered(capsys, questions, tmp_path / "again.jsonl", "--model", moved)
    assert again == (tmp_path / "routed.jsonl").read_bytes()
    assert contents(index) == before


def test_videos_are_searched_and_rules_compared(
    models: Made, tmp_path: Path, capsys: Capture
) -> None:
    index = fixtures_infer.world().index

    def found(*asked: object, model: Path | None = None) -> list[dict[str, Any]]:
        flags = ("--model", model) if model else ()
        result = ran(capsys, "find.py", *asked, "--index", index, *flags)
        assert result.code == 0, result.err
        assert result.records
        return result.records

    picture = tmp_path / "picture.png"
    Image.fromarray(np.arange(64 * 48 * 3, dtype=np.uint8).reshape(48, 64, 3)).save(picture)
    asked: dict[str, tuple[object, ...]] = {
        "a red car": ("a red car",),
        "picture": ("--image", picture),
        "then": ("a red car", "--then", "the blue bus on the bridge"),
        "like": ("--like", f"{INDEXED[0]}@0.5", "--not", "a red car"),
    }
    for words in asked.values():
        assert found(*words, model=models.routed) == found(*words)
    assert found("xe đỏ", model=models.routed) == found("xe đỏ", model=models.whole)
    assert found("xe đỏ", model=models.whole) != found("xe đỏ")

    questions = write_questions(
        tmp_path / "labelled.json",
        *(
            {"question": text, "video_path": path, "support_frames": [0.5]}
            for path in INDEXED[:3]
            for text in ("Which colour has the car?", "Xe màu gì?")
        ),
    )
    for model in models:
        call = (questions, "--index", index, "--model", model)
        compared = ran(capsys, "compare.py", *call)
        assert compared.code == 0, compared.err


@pytest.fixture(scope="module")
def to_train(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """An index of the training scenes, and a routed model over what built it."""
    root = tmp_path_factory.mktemp("train")
    here = fixtures_train.world()
    config = BuildConfig(videos=here.videos, index=root / "index", model=str(here.model), workers=1)
    assert build(config) == 0
    student = make_xlm(root / "student", hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    return root / "index", make_distilled(root / "model", here.model, student, route="en")


def tensors(folder: Path) -> dict[str, torch.Tensor]:
    return {
        f"{path.parent.name}/{name}": value
        for path in folder.rglob("*.safetensors")
        if "checkpoints" not in path.parts
        for name, value in load_file(path).items()
    }


def test_tuning_trains_the_student_alone(
    to_train: tuple[Path, Path], tmp_path: Path, capsys: Capture
) -> None:
    index, model = to_train
    flags: dict[str, Any] = {"model": str(model), "tune": "text", "index": index, "ratio": 0.2}
    tuned = fixtures_train.trained(tmp_path / "tuned", **flags)
    said = capsys.readouterr().err
    assert f" questions to train on are in the language that {model} sends" in said
    before, after = tensors(model), tensors(tuned)
    assert before.keys() == after.keys()
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert {name.split("/")[0] for name in moved - {"teacher/logit_scale"}} == {
        "student",
        "3_Dense",
    }
    still = {name for name in before if name.startswith("student/")} - moved
    assert all(name.endswith("key.bias") for name in still), still
    encoder, fingerprint = load_encoder(str(tuned), device=CPU)
    assert fingerprint == read_profile(index).fingerprint
    own, _ = load_encoder(str(model), device=CPU)
    assert (encoder.texts(["xe"])[0] != own.texts(["xe"])[0]).any()
    assert encoder.scale != own.scale or encoder.scale == 100
    split = json.loads((tuned / "training.json").read_text())["split"]
    assert trained_videos(str(tuned)) == set(split["train"]["videos"])
    assert "library_name: cueframe\n" in (tuned / "README.md").read_text()
    assert fixtures_train.trained(tuned, **flags, only_test=True) == tuned
    again = fixtures_train.trained(
        tmp_path / "again", **flags, gradient_checkpointing=True, epochs=1
    )
    first = fixtures_train.losses(tuned)[: len(fixtures_train.losses(again))]
    assert fixtures_train.losses(again)[0] == pytest.approx(first[0], abs=1e-5)


def test_a_tuned_model_goes_on_from_a_checkpoint(
    to_train: tuple[Path, Path], tmp_path: Path
) -> None:
    index, model = to_train
    flags: dict[str, Any] = {"model": str(model), "tune": "text", "index": index, "save_every": 2}
    whole = fixtures_train.trained(tmp_path / "whole", **flags)
    cut = Path(shutil.copytree(whole, tmp_path / "cut"))
    steps = sorted((cut / "checkpoints").glob("step-*"))
    assert len(steps) > 1
    shutil.rmtree(steps[-1])
    for name in ("student", "teacher"):
        shutil.rmtree(cut / name)
    fixtures_train.trained(cut, **flags, resume=True)
    assert fixtures_train.losses(cut) == pytest.approx(fixtures_train.losses(whole), abs=1e-6)
    ends = tensors(cut), tensors(whole)
    assert ends[0].keys() == ends[1].keys()
    for name, value in ends[0].items():
        torch.testing.assert_close(value, ends[1][name])


def test_the_head_alone_is_the_projection(to_train: tuple[Path, Path], tmp_path: Path) -> None:
    _, model = to_train
    flags: dict[str, Any] = {"model": str(model), "tune": "projection", "epochs": 1}
    tuned = fixtures_train.trained(tmp_path / "tuned", **flags)
    before, after = tensors(model), tensors(tuned)
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert {name for name in moved if "logit" not in name} == {
        "3_Dense/linear.weight",
        "3_Dense/linear.bias",
    }


def test_pictures_do_not_learn_without_the_teachers_texts(
    to_train: tuple[Path, Path], tmp_path: Path
) -> None:
    for tune in ("all", "vision"):
        line = fixtures_train.refusal(tmp_path / tune, model=str(to_train[1]), tune=tune)
        assert "choose --tune text" in line


@pytest.mark.slow
def test_two_processes_train_as_one(to_train: tuple[Path, Path], tmp_path: Path) -> None:
    index, model = to_train
    flags: dict[str, Any] = {"model": str(model), "tune": "text", "index": index, "epochs": 1}
    alone = fixtures_train.trained(tmp_path / "alone", **flags)
    two = fixtures_train.config(tmp_path / "two", **flags, batch_size=2)
    ended = fixtures_train.started(two, processes=2)
    assert ended.returncode == 0, ended.stderr
    losses = fixtures_train.losses(tmp_path / "two")
    assert losses == pytest.approx(fixtures_train.losses(alone), rel=1e-3)
