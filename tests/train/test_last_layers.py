"""--tune vision:last1 and the like: which weights learn, in models of every library."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from index.errors import CueframeError
from index.models.encoder import load_dual_model
from tests.fixtures_train import refusal, trained, weights, world
from tests.model_families import FAMILIES, make_family
from tests.train.test_lora import TEXTS, folder_of
from train.last_layers import weights_of_last_layers
from train.losses.base import load_loss
from train.model import DualEncoder, choose_what_learns, load_dual_model_to_train
from train.tune import Tower


def model_of(folder: Path, tune: str) -> DualEncoder:
    model = DualEncoder(load_dual_model_to_train(str(folder), None))
    choose_what_learns(model, tune, load_loss(3))
    return model


def learning(model: DualEncoder) -> set[str]:
    return {name for name, weight in model.clip.named_parameters() if weight.requires_grad}


@pytest.mark.parametrize("family", FAMILIES)
def test_the_last_layer_of_each_family(family: str, tmp_path: Path) -> None:
    try:
        folder = make_family(family, tmp_path / "model")
    except ImportError as error:
        pytest.skip(str(error))
    dual = load_dual_model(str(folder), None)
    dual.module.eval()
    towers: tuple[Tower, ...] = ("vision", "text")
    for tower in towers:
        found = weights_of_last_layers(dual, tower, 1)
        assert {dual.side_of(name) for name in found} == {tower}
        every = {n for n, _ in dual.module.named_parameters() if dual.side_of(n) == tower}
        assert {name for name in every if dual.is_projection(name)} <= found
        stays = every - found
        for part in ("embedding", ".layers.0.", ".layer.0.", ".blocks.0.", ".stages.0."):
            same = {name for name in every if part in name and ".stages.2." not in name}
            assert same <= stays, part
        assert len(stays) > len(found) / 2


@pytest.mark.parametrize(
    ("kind", "tune", "layer"),
    [
        ("open_clip", "vision:last1", "visual.transformer.resblocks.1"),
        ("open_clip", "text:last1", "transformer.resblocks.1"),
        ("clip", "vision:last1", "0.model.vision_model.encoder.layers.1"),
        ("text", "text:last1", "0.model.transformer.layer.1"),
        ("text", "all:last1", "0.model.transformer.layer.1"),
        ("distilled", "text:last1", "student.0.model.encoder.layer.1"),
    ],
)
def test_the_last_layer_of_other_libraries(
    kind: str, tune: str, layer: str, tmp_path: Path
) -> None:
    model = model_of(folder_of(kind, tmp_path / "model"), tune)
    own = {name for name in learning(model) if name.startswith(layer)}
    kept = ("self_attention.self.key.bias", "k_lin.bias", "k_proj.bias", "attention.self.key.bias")
    every = {name for name, _ in model.clip.named_parameters() if name.startswith(layer)}
    assert own == {name for name in every if not name.endswith(kept)}
    assert not [name for name in learning(model) if name.startswith(f"{layer[:-1]}0")]
    assert not [name for name in learning(model) if "embedding" in name]


def test_no_activations_of_lower_layers_are_kept(tmp_path: Path) -> None:
    model = model_of(make_family("clip", tmp_path / "model"), "text:last1")
    layers = model.clip.text_model.encoder.layers
    graphs: list[bool] = []
    for layer in layers:
        layer.register_forward_hook(
            lambda _layer, _given, out: graphs.append(
                (out if isinstance(out, torch.Tensor) else out[0]).requires_grad
            )
        )
    text, _ = model(model.dual.tokens(TEXTS), None)
    assert text is not None
    assert graphs == [False, True]
    text[:, 0].sum().backward()
    moved = {name for name, p in model.clip.named_parameters() if p.grad is not None}
    assert moved == learning(model)


def test_with_low_rank_additions(tmp_path: Path) -> None:
    pytest.importorskip("peft", reason="it is not installed")
    model = model_of(make_family("clip", tmp_path / "model"), "vision:last1")
    model.add_lora(2)
    added = {name.split(".lora_")[0] for name in learning(model) if "lora_" in name}
    assert len(added) == 6
    assert all(name.startswith("vision_model.encoder.layers.1.") for name in added)


def test_a_run_changes_the_last_layers_alone_and_resumes(tmp_path: Path) -> None:
    model = make_family("clip", tmp_path / "model")
    flags: dict[str, Any] = {"model": str(model), "tune": "all:last1"}
    output = trained(tmp_path / "out", epochs=1, **flags)
    before = load_dual_model(str(model), None).module.state_dict()
    after = load_dual_model(str(output), None).module.state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == learning(model_of(model, "all:last1")) | {"logit_scale"}
    saved = weights(output)
    trained(output, epochs=1, resume=True, **flags)
    assert torch.equal(weights(output), saved)


@pytest.mark.parametrize(
    ("tune", "wanted"),
    [
        ("vision:last2", "more layers than the 1 that the vision side of"),
        ("all:last2", "more layers than the 1 that the vision side of"),
        ("text:last0", "--tune is 'text:last0'; give all, vision"),
        ("projection:last1", "--tune is 'projection:last1'; give all, vision"),
        ("everything", "--tune is 'everything'; give all, vision"),
    ],
)
def test_bad_values_are_one_line(tune: str, wanted: str, tmp_path: Path) -> None:
    assert wanted in refusal(tmp_path / "out", tune=tune)


def test_a_tower_of_several_stacks_is_one_line() -> None:
    dual: Any = load_dual_model(str(world().model), None)
    tower = dual.module.vision_model
    tower.stem = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    with pytest.raises(CueframeError, match="whose vision side is no single stack") as refused:
        weights_of_last_layers(dual, "vision", 1)
    assert "\n" not in str(refused.value)
    del tower.stem
    layers = tower.encoder.layers
    tower.encoder.layers = nn.ModuleList([layers[0], layers[0]])
    with pytest.raises(CueframeError, match="whose vision side is no single stack"):
        weights_of_last_layers(dual, "vision", 1)
