"""LoRA: what learns, what is saved, and that a run with it resumes and is shared out as others."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from index.build import BuildConfig, build
from index.errors import CueframeError
from index.models.dual_model import DualModel
from index.models.encoder import load_dual_model, load_encoder
from index.storage.store import read_profile
from infer.query_encoder import load_query_encoder
from tests.distilled_models import make_distilled, make_xlm
from tests.fixtures_train import (
    config,
    losses,
    metrics,
    refusal,
    started,
    trained,
    weights,
    world,
)
from tests.other_libraries import clip_config, save_open_clip
from tests.sentence_models import make
from tests.train.test_checkpoint import killed_after
from train.losses.base import load_loss
from train.model import DualEncoder, choose_what_learns, load_dual_model_to_train

pytest.importorskip("peft", reason="it is not installed")

CPU = torch.device("cpu")
TEXTS = ["a red truck", "on the left of the bus is a car"]


def model_with_lora(folder: Path, tune: str = "text", rank: int = 3) -> DualEncoder:
    model = DualEncoder(load_dual_model_to_train(str(folder), None))
    choose_what_learns(model, tune, load_loss(3))
    model.add_lora(rank)
    return model


def changed(model: DualEncoder) -> DualEncoder:
    """The model as after some training: what is added is 0 at first."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.requires_grad and weight.ndim == 2:
                assert "base_layer" not in name
                weight.add_(torch.randn(weight.shape, generator=generator), alpha=0.1)
    return model


def text_vectors(dual: DualModel) -> torch.Tensor:
    with torch.inference_mode():
        return dual.text_vectors(dual.tokens(TEXTS))


@pytest.mark.parametrize(("tune", "sides"), [("all", {"text", "vision"}), ("text", {"text"})])
def test_what_learns(tune: str, sides: set[str]) -> None:
    model = model_with_lora(world().model, tune)
    dual = model.dual
    learning = {name for name, p in dual.module.named_parameters() if p.requires_grad}
    assert {dual.side_of(name) for name in learning} == sides
    whole = {name for name in learning if "lora_" not in name}
    assert {name.split(".")[0] for name in whole} == {
        {"text": "text_projection", "vision": "visual_projection"}[side] for side in sides
    }
    assert all(dual.is_projection(name) for name in whole)
    layers = {name.split(".lora_")[0] for name in learning - whole}
    kinds = {"q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2"}
    assert {name.rpartition(".")[2] for name in layers} == kinds
    assert len(layers) == len(sides) * len(kinds)  # of towers of one layer each
    for name, parameter in dual.module.named_parameters():
        if name in learning - whole:
            assert 3 in parameter.shape
            assert name.endswith((".lora_A.default.weight", ".lora_B.default.weight"))
    for name in ("text_model", "vision_model"):
        assert getattr(dual.module, name).training == (name.split("_")[0] in sides)
    assert model.logit_scale.requires_grad


def test_the_model_begins_as_it_was() -> None:
    before = load_dual_model(str(world().model), None)
    after = model_with_lora(world().model).dual
    after.module.eval()
    assert torch.equal(text_vectors(after), text_vectors(before))


def folder_of(kind: str, folder: Path) -> Path:
    if kind == "transformers":
        return world().model
    if kind == "open_clip":
        return save_open_clip(folder, clip_config())
    if kind == "distilled":
        student = make_xlm(folder.with_name("student"))
        return make_distilled(folder, world().model, student, route="en")
    return make(kind, folder)


@pytest.mark.parametrize(
    "kind", ["transformers", "open_clip", "clip", "siglip", "text", "distilled"]
)
def test_a_plain_model_is_saved_and_training_goes_on_untouched(kind: str, tmp_path: Path) -> None:
    folder = folder_of(kind, tmp_path / "model")
    model = changed(model_with_lora(folder, "text" if kind == "distilled" else "all"))
    before = copy.deepcopy(model.state_dict())
    learning = [name for name, p in model.named_parameters() if p.requires_grad]
    saved = model.to_save()
    saved.save(tmp_path / "saved")

    now = model.state_dict()
    assert now.keys() == before.keys()
    assert all(torch.equal(now[name], value) for name, value in before.items())
    assert [name for name, p in model.named_parameters() if p.requires_grad] == learning

    plain = load_dual_model(str(folder), None).module.state_dict()
    again = load_dual_model(str(tmp_path / "saved"), None)
    assert again.module.state_dict().keys() == plain.keys()
    files = [path for path in (tmp_path / "saved").rglob("*") if path.is_file()]
    assert not [path for path in files if "adapter" in path.name]
    for path in files:
        if path.suffix == ".safetensors":
            assert not [n for n in load_file(path) if "lora" in n or "base_layer" in n]
        elif path.suffix == ".json":
            assert "lora" not in path.read_text()
    model.eval()
    ours, theirs = text_vectors(model.dual), text_vectors(again)
    assert torch.allclose(ours, theirs, atol=1e-5)
    assert not torch.allclose(ours, text_vectors(load_dual_model(str(folder), None)), atol=1e-2)


def test_what_does_not_learn_takes_no_memory_twice() -> None:
    model = changed(model_with_lora(world().model))
    ours = {p.data_ptr() for p in model.clip.parameters()}
    apart = [
        name for name, p in model.to_save().module.named_parameters() if p.data_ptr() not in ours
    ]
    assert len(apart) == 6
    assert all(name.startswith("text_model.encoder.layers.0.") for name in apart)


@pytest.mark.parametrize("kind", ["open_clip", "siglip"])
def test_whatever_learns_has_an_effect(kind: str, tmp_path: Path) -> None:
    """nn.MultiheadAttention multiplies by its weights without calling the layer they are in."""
    model = model_with_lora(folder_of(kind, tmp_path / "model"), "vision")
    assert any(isinstance(part, nn.MultiheadAttention) for part in model.clip.modules())
    changed(model)
    size = model.dual.transform.height, model.dual.transform.width
    generator = torch.Generator().manual_seed(1)
    _, images = model(None, torch.randint(256, (2, 3, *size), generator=generator).byte())
    assert images is not None
    images[:, 0].sum().backward()
    learning = {name: p for name, p in model.clip.named_parameters() if p.requires_grad}
    assert any("lora_B" in name for name in learning)
    assert not [name for name, p in learning.items() if p.grad is None or not p.grad.any()]


@pytest.mark.parametrize(
    "flags",
    [
        {"tune": "vision", "view": "tiles", "lora_alpha": 12, "loss_setting": 4},
        pytest.param({}, marks=pytest.mark.slow),
        pytest.param({"loss_setting": 1, "ratio": 0.25}, marks=pytest.mark.slow),
    ],
)
def test_a_resumed_run_ends_where_an_uninterrupted_one_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flags: dict[str, Any]
) -> None:
    flags = {"lora_rank": 4, "save_every": 2} | flags
    whole = trained(tmp_path / "whole", **flags)
    output = tmp_path / "out"
    for number, step in enumerate((3, 7)):
        killed_after(step, monkeypatch, output, resume=number > 0, **flags)
    trained(output, resume=True, **flags)
    assert torch.equal(weights(output), weights(whole))
    assert metrics(output) == metrics(whole)
    assert "--lora-rank" in refusal(output, resume=True, **flags | {"lora_rank": 5})


def test_the_gradient_is_that_of_the_whole_step(tmp_path: Path) -> None:
    """By the second pass of loss 3, and with activations that are computed again."""
    ways: tuple[dict[str, Any], ...] = (
        {"batch_size": 8, "accumulation_steps": 1},
        {"batch_size": 2, "accumulation_steps": 4},
        {"gradient_checkpointing": True},
    )
    ends = [
        weights(trained(tmp_path / str(number), lora_rank=4, epochs=1, **way))
        for number, way in enumerate(ways)
    ]
    start = weights(world().model)
    for end in ends[1:]:
        assert (end - ends[0]).norm() <= 1e-2 * (ends[0] - start).norm()


@pytest.mark.parametrize("loss", [4, pytest.param(3, marks=pytest.mark.slow)])
def test_two_processes_end_where_one_does(tmp_path: Path, loss: int) -> None:
    common: dict[str, Any] = {"lora_rank": 4, "negatives_per_question": 3, "epochs": 1}
    common["loss_setting"] = loss
    alone = trained(tmp_path / "alone", **common)
    done = started(config(tmp_path / "two", batch_size=2, **common), processes=2)
    assert done.returncode == 0, done.stderr
    start = weights(world().model)
    apart = (weights(tmp_path / "two") - weights(alone)).norm()
    assert apart <= 1e-2 * (weights(alone) - start).norm()


@pytest.mark.parametrize("kind", ["transformers", "text", "distilled"])
def test_the_index_stays_valid_where_the_text_side_is_tuned(kind: str, tmp_path: Path) -> None:
    built_by = make("clip", tmp_path / "clip") if kind == "text" else world().model
    index = tmp_path / "index"
    videos = BuildConfig(videos=world().videos, index=index, model=str(built_by), workers=1)
    assert build(videos) == 0
    model = folder_of(kind, tmp_path / "model")
    flags: dict[str, Any] = {"model": str(model), "index": index, "tune": "text", "lora_rank": 4}
    output = trained(tmp_path / "out", ratio=0.25, epochs=6, **flags)
    course = losses(output)
    per_epoch = len(course) // 6
    assert sum(course[-per_epoch:]) < sum(course[:per_epoch])
    profile = read_profile(index)
    if kind != "text":
        assert load_encoder(str(output), device=CPU)[1] == profile.fingerprint
    asked = load_query_encoder(index, profile, model=str(output), dtype="float32", device=CPU)
    assert asked.text_width == profile.width
    training = json.loads((output / "training.json").read_text())
    assert training["configuration"]["lora_rank"] == 4
    assert "tuned: text, by LoRA of rank 4" in (output / "README.md").read_text()


def test_bf16(tmp_path: Path) -> None:
    full = losses(trained(tmp_path / "full", epochs=1, lora_rank=4))
    half = losses(trained(tmp_path / "half", epochs=1, lora_rank=4, mixed_precision="bf16"))
    assert half != full
    assert half == pytest.approx(full, rel=0.1)


@pytest.mark.parametrize(
    ("flags", "wanted"),
    [
        ({"lora_rank": 0}, "--lora_rank is 0; give a number above 0"),
        ({"lora_rank": 4, "tune": "projection"}, "--lora_rank 4 adds to layers inside the towers"),
        ({"lora_rank": 33}, "--lora_rank 33 is above the rank of the layer text_model.encoder.lay"),
        ({"lora_rank": 4, "lora_alpha": 0}, "--lora_alpha is 0; give a number above 0"),
        ({"lora_alpha": 4}, "--lora_alpha is about low-rank additions, and there are none"),
        ({"save_adapter": True}, "--save_adapter is about low-rank additions"),
    ],
)
def test_bad_calls_are_one_line(tmp_path: Path, flags: dict[str, Any], wanted: str) -> None:
    assert refusal(tmp_path / "out", **flags).startswith(wanted)


def test_a_model_without_linear_layers_is_one_line(tmp_path: Path) -> None:
    model = DualEncoder(load_dual_model_to_train(str(world().model), None))
    choose_what_learns(model, "projection", load_loss(3))
    with pytest.raises(CueframeError, match="--lora_rank 2 has no linear layer of"):
        model.add_lora(2)


def test_without_peft_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("train.flag_checks.importlib.util.find_spec", lambda _: None)
    line = refusal(tmp_path / "out", lora_rank=4)
    assert "needs the package peft" in line
    assert "'.[lora]'" in line
