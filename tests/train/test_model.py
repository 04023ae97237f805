from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import (
    BertConfig,
    BertModel,
    CLIPModel,
    CLIPProcessor,
    CLIPTokenizer,
    SiglipConfig,
    SiglipImageProcessorPil,
    SiglipModel,
)

from index.errors import CueframeError
from index.models.encoder import Encoder, load_encoder
from index.models.transformers_model import TransformersModel
from tests.fixtures_train import metrics, refusal, trained, weights, world
from tests.model_families import make_family
from train.losses.base import load_loss
from train.model import (
    MAX_LOGIT_SCALE,
    DualEncoder,
    choose_what_learns,
    load_dual_model_to_train,
    load_model_to_train,
    parameter_groups,
    tower_groups,
)


@pytest.fixture
def model(tiny_model: Path) -> DualEncoder:
    return DualEncoder(load_dual_model_to_train(str(tiny_model), None))


def test_load_model_to_train_is_the_seeds(tiny_model: Path) -> None:
    model, processor = load_model_to_train(model_name=str(tiny_model))
    assert isinstance(model, CLIPModel)
    assert isinstance(processor, CLIPProcessor)
    assert model.dtype == torch.float32


def test_half_precision_checkpoints_get_float32_weights(tiny_model: Path, tmp_path: Path) -> None:
    model, processor = load_model_to_train(str(tiny_model))
    model.half().save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    again, _ = load_model_to_train(str(tmp_path))
    assert {parameter.dtype for parameter in again.parameters()} == {torch.float32}


def test_no_dual_encoder_is_one_line(tmp_path: Path) -> None:
    config = BertConfig(hidden_size=8, num_hidden_layers=1, num_attention_heads=1)
    BertModel(config).save_pretrained(tmp_path)
    for name, wanted in (
        (str(tmp_path), "not a dual encoder"),
        ("nowhere/at-all", "nowhere/at-all"),
    ):
        with pytest.raises(CueframeError, match=wanted) as refused:
            load_model_to_train(name)
        assert "\n" not in str(refused.value)


def test_forward_gives_the_vectors_of_the_lower_floor(model: DualEncoder, tiny_model: Path) -> None:
    encoder, _ = load_encoder(str(tiny_model), device=torch.device("cpu"))
    side = encoder.transform.height
    squares = np.random.default_rng(0).integers(256, size=(3, side, side, 3), dtype=np.uint8)
    texts = ["a red truck passes", "xe"]
    _, processor = load_model_to_train(str(tiny_model))
    tokens = dict(processor.tokenizer(texts, padding=True, return_tensors="pt"))
    model.eval()
    text, images = model(tokens, torch.from_numpy(squares).permute(0, 3, 1, 2))
    assert torch.allclose(images, encoder.images(squares), atol=1e-6)
    assert np.allclose(text.detach().numpy(), encoder.texts(texts)[0], atol=1e-6)
    assert text.dtype == images.dtype == torch.float32
    assert model(None, None) == (None, None)


@pytest.mark.parametrize(
    ("tune", "parts"),
    [
        ("all", {"text_model", "vision_model", "text_projection", "visual_projection"}),
        ("vision", {"vision_model", "visual_projection"}),
        ("text", {"text_model", "text_projection"}),
        ("projection", {"text_projection", "visual_projection"}),
    ],
)
def test_what_learns(model: DualEncoder, tune: str, parts: set[str]) -> None:
    choose_what_learns(model, tune, loss=load_loss(1))
    learning = {name for name, p in model.clip.named_parameters() if p.requires_grad}
    assert {name.split(".")[0] for name in learning} == parts
    for name, parameter in model.clip.named_parameters():
        wanted = name.split(".")[0] in parts and not name.endswith("k_proj.bias")
        assert parameter.requires_grad == wanted, name
    assert model.logit_scale.requires_grad
    for name in ("text_model", "vision_model"):
        assert getattr(model.clip, name).training == (name in parts)


def test_the_bias_learns_with_losses_1_and_4(model: DualEncoder) -> None:
    for setting in (1, 2, 3, 4):
        choose_what_learns(model, "all", load_loss(setting))
        assert model.logit_bias.requires_grad == (setting in (1, 4))


def test_a_key_bias_has_no_true_gradient(model: DualEncoder) -> None:
    """Why they are frozen: what comes back is rounding noise."""
    side = model.clip.config.vision_config.image_size
    pixels = torch.randint(256, (4, 3, side, side), dtype=torch.uint8)
    _, images = model(None, pixels)
    images[:, 0].sum().backward()
    layer = model.clip.vision_model.encoder.layers[0].self_attn
    assert layer.k_proj.bias.grad.norm() < 1e-4 * layer.q_proj.bias.grad.norm()


def test_matrices_decay_and_vectors_do_not(model: DualEncoder) -> None:
    choose_what_learns(model, "all", loss=load_loss(1))
    matrices, vectors = parameter_groups(model, 0.1)
    assert (matrices["weight_decay"], vectors["weight_decay"]) == (0.1, 0.0)
    assert all(parameter.ndim >= 2 for parameter in matrices["params"])
    learning = [parameter for parameter in model.parameters() if parameter.requires_grad]
    assert len(matrices["params"]) + len(vectors["params"]) == len(learning)
    assert any(parameter is model.logit_scale for parameter in vectors["params"])


def test_each_tower_may_have_a_learning_rate(model: DualEncoder) -> None:
    choose_what_learns(model, "all", loss=load_loss(1))
    plain = tower_groups(model, 0.1, {"vision": None, "text": None})
    for ours, theirs in zip(plain, parameter_groups(model, 0.1), strict=True):
        assert ours.keys() == theirs.keys() == {"params", "weight_decay"}
        assert [*map(id, ours["params"])] == [*map(id, theirs["params"])]
    own = tower_groups(model, 0.1, {"vision": 2.0, "text": 3.0})
    rates = {id(p): group.get("lr") for group in own for p in group["params"]}
    assert [group.get("lr") for group in own] == [None, None, 2.0, 2.0, 3.0, 3.0]
    assert [group["weight_decay"] for group in own] == [0.1, 0.0] * 3
    for name, parameter in model.named_parameters():
        side = 2.0 if "vis" in name else 3.0
        wanted = None if name in ("logit_scale", "logit_bias") else side
        assert rates.pop(id(parameter), "none") == (wanted if parameter.requires_grad else "none")
    assert not rates
    choose_what_learns(model, "text", loss=load_loss(1))
    with pytest.raises(CueframeError, match="has no weight of a vision side that learns"):
        tower_groups(model, 0.1, {"vision": 2.0})


def test_a_run_with_learning_rates_for_towers(tmp_path: Path) -> None:
    """Equal ones change nothing; --lr is the one that is written down."""
    plain = trained(tmp_path / "plain", epochs=1)
    equal = trained(tmp_path / "equal", epochs=1, lr_vision=1e-3, lr_text=1e-3)
    assert torch.allclose(weights(equal), weights(plain), atol=1e-6)
    slow = trained(tmp_path / "slow", epochs=1, lr_vision=1e-6)
    moved = dict.fromkeys(("vision_model", "text_model"), 0.0)
    before, after = (load_file(one / "model.safetensors") for one in (world().model, slow))
    for name in before:
        if (tower := name.split(".")[0]) in moved:
            moved[tower] = max(moved[tower], float((after[name] - before[name]).abs().max()))
    assert 0 < 100 * moved["vision_model"] < moved["text_model"]
    assert [line["lr"] for line in metrics(slow)] == [line["lr"] for line in metrics(plain)]


@pytest.mark.parametrize(
    ("flags", "wanted"),
    [
        ({"lr_vision": 1e-5, "tune": "text"}, "--lr_vision is 1e-05, and with --tune text the vis"),
        ({"lr_text": 1e-5, "tune": "vision:last1"}, "--lr_text is 1e-05, and with --tune vision:"),
        ({"lr_text": 0.0}, "--lr_text is 0.0; give a number above 0"),
    ],
)
def test_a_rate_of_what_does_not_learn_is_one_line(
    tmp_path: Path, flags: dict[str, Any], wanted: str
) -> None:
    assert refusal(tmp_path / "out", **flags).startswith(wanted)


def test_the_scale_is_clamped_and_saved(model: DualEncoder, tmp_path: Path) -> None:
    model.logit_scale.data.fill_(5.0)
    model.clamp_scale()
    assert model.logit_scale.item() == pytest.approx(MAX_LOGIT_SCALE)
    model.to_save().save(tmp_path)
    assert CLIPModel.from_pretrained(tmp_path).logit_scale.item() == pytest.approx(MAX_LOGIT_SCALE)


def test_a_family_that_was_trained_without_a_bound_has_none(tmp_path: Path) -> None:
    dual: Any = load_dual_model_to_train(str(make_family("siglip", tmp_path)), None)
    dual.module.logit_scale.data.fill_(np.log(117.33))
    model = DualEncoder(dual)
    model.logit_scale.data.add_(1.0)
    model.clamp_scale()
    assert model.logit_scale.exp().item() == pytest.approx(117.33 * np.e, rel=1e-5)


def test_a_bias_is_saved_only_where_it_learns(tmp_path: Path) -> None:
    dual: Any = load_dual_model_to_train(str(make_family("siglip", tmp_path)), None)
    dual.module.logit_bias.data.fill_(-12.93)
    model = DualEncoder(dual)
    assert model.logit_bias.item() == pytest.approx(-12.93)
    for setting, saved in ((2, -12.93), (3, -12.93), (4, -5.0), (1, -5.0)):
        choose_what_learns(model, "all", load_loss(setting))
        model.logit_bias.data.fill_(-5.0)
        bias = model.to_save().bias
        assert bias is not None
        assert bias.item() == pytest.approx(saved)


def test_a_temperature_learns_as_a_scale(tmp_path: Path) -> None:
    folder = make_family("align", tmp_path / "align")
    dual: Any = load_dual_model_to_train(str(folder), None)
    assert dual.scale == pytest.approx(1 / dual.module.temperature.item())
    model = DualEncoder(dual)
    model.logit_scale.data.fill_(np.log(40.0))
    model.to_save().save(tmp_path / "saved")
    again: Any = load_dual_model_to_train(str(tmp_path / "saved"), None)
    assert again.module.temperature.item() == pytest.approx(1 / 40)


def test_batch_normalisation_keeps_its_statistics(tmp_path: Path) -> None:
    dual: Any = load_dual_model_to_train(str(make_family("align", tmp_path / "align")), None)
    model = DualEncoder(dual)
    choose_what_learns(model, "all", load_loss(3))
    known = {k: v.clone() for k, v in dual.module.state_dict().items() if "running" in k}
    assert known
    model(None, torch.zeros(1, 3, dual.transform.height, dual.transform.width, dtype=torch.uint8))
    state = dual.module.state_dict()
    assert all(torch.equal(state[key], value) for key, value in known.items())
    assert dual.module.vision_model.training


def test_a_part_that_is_not_there_is_named(tmp_path: Path) -> None:
    model = DualEncoder(load_dual_model_to_train(str(make_family("siglip", tmp_path)), None))
    with pytest.raises(CueframeError, match="no projection part of its own; choose --tune all"):
        choose_what_learns(model, "projection", load_loss(3))


def test_a_siglip_trains_too() -> None:
    """Its scale and bias have one dimension, and its projections are parts of the towers."""
    layers = {
        "hidden_size": 16,
        "intermediate_size": 32,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
    }
    siglip = SiglipModel(
        SiglipConfig(
            text_config=layers | {"vocab_size": 50, "max_position_embeddings": 8},
            vision_config=layers | {"image_size": 16, "patch_size": 8},
        )
    )
    pictures = SiglipImageProcessorPil(size={"height": 16, "width": 16})
    model = DualEncoder(TransformersModel("siglip", siglip, CLIPTokenizer(), pictures, None))
    choose_what_learns(model, "all", loss=load_loss(1))
    tokens = {"input_ids": torch.zeros(2, 8, dtype=torch.int64)}
    text, images = model(tokens, torch.zeros(2, 3, 16, 16, dtype=torch.uint8))
    assert text.shape == images.shape == (2, 16)
    model.logit_bias.data.fill_(-7.0)
    saved: Any = model.to_save().module
    assert saved.logit_bias.item() == -7
    assert saved.logit_bias.shape == saved.logit_scale.shape == (1,)
    with pytest.raises(CueframeError, match="projection"):
        choose_what_learns(model, "projection", loss=load_loss(1))


def test_the_encoder_of_the_index_sees_the_same_weights(model: DualEncoder) -> None:
    encoder = Encoder(model.dual)
    square = np.full((1, 64, 64, 3), (200, 30, 30), np.uint8)
    before = encoder.images(square)
    with torch.no_grad():
        model.clip.visual_projection.weight.mul_(-1)
    assert torch.allclose(encoder.images(square), -before)
