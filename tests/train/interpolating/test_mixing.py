"""Weights between two models: exact ends, what is equal stays, and which models are refused."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from index.errors import CueframeError
from index.models.dual_model import DualModel
from index.models.encoder import load_dual_model, vision_fingerprint
from tests.model_families import make_family
from tests.train.test_lora import folder_of
from train.interpolating.mixing import Mixer, between

NUMBERS = st.floats(-1e6, 1e6, width=32)


def bits(values: torch.Tensor) -> bytes:
    return values.contiguous().numpy().tobytes()


@settings(deadline=None)
@given(st.lists(st.tuples(NUMBERS, NUMBERS), min_size=1), st.floats(0, 1))
def test_between(pairs: list[tuple[float, float]], alpha: float) -> None:
    a, b = torch.tensor(pairs, dtype=torch.float32).T.contiguous()
    made = between(a, b, alpha)
    exact = (1 - alpha) * a.double() + alpha * b.double()
    assert torch.allclose(made.double(), exact, rtol=1e-6, atol=1e-6 * float(a.abs().max() + 1))
    assert (made >= torch.minimum(a, b)).all()
    assert (made <= torch.maximum(a, b)).all()
    assert bits(between(a, a.clone(), alpha)) == bits(a)
    assert bits(between(a, b, 0)) == bits(a)
    assert bits(between(a, b, 1)) == bits(b)


def other(folder: Path, to: Path, side: str = "") -> Path:
    """A copy of a model of transformers whose weights, or those of a side, are others."""
    shutil.copytree(folder, to)
    generator = torch.Generator().manual_seed(3)
    tensors = load_file(to / "model.safetensors")
    for name, value in tensors.items():
        if name.startswith(side) and value.is_floating_point():
            value.add_(0.1 * torch.randn(value.shape, generator=generator))
    save_file(tensors, to / "model.safetensors", metadata={"format": "pt"})
    return to


def loaded(*folders: Path) -> list[DualModel]:
    return [load_dual_model(str(folder), None) for folder in folders]


@pytest.mark.parametrize("family", ["clip", "siglip", "align"])
def test_the_ends_are_the_models_and_the_middle_is_between(family: str, tmp_path: Path) -> None:
    folder = make_family(family, tmp_path / "a")
    a, b = loaded(folder, other(folder, tmp_path / "b"))
    mixer = Mixer(a, b)
    before = {name: value.clone() for name, value in a.module.state_dict().items()}
    for alpha, same in ((0.5, None), (1.0, b), (0.0, a)):
        mixer.set_alpha(alpha)
        mixed = mixer.model.module.state_dict()
        for name, value in mixed.items():
            if same:
                assert bits(value) == bits(same.module.state_dict()[name]), name
            elif value.is_floating_point():
                mean = (a.module.state_dict()[name] + b.module.state_dict()[name]) / 2
                assert torch.allclose(value, mean, rtol=1e-5, atol=1e-6), name
    assert all(torch.equal(a.module.state_dict()[name], value) for name, value in before.items())


def test_a_side_that_is_equal_stays_to_the_bit(tmp_path: Path) -> None:
    folder = make_family("clip", tmp_path / "a")
    a, b = loaded(folder, other(folder, tmp_path / "b", "text_"))
    mixer = Mixer(a, b)
    mixer.set_alpha(0.3)
    assert vision_fingerprint(mixer.model) == vision_fingerprint(a) == vision_fingerprint(b)


@pytest.mark.parametrize("kind", ["clip", "text", "distilled", "open_clip"])
def test_models_of_other_libraries(kind: str, tmp_path: Path) -> None:
    folder = folder_of(kind, tmp_path / "model")
    a, b = loaded(folder, folder)
    with torch.no_grad():
        for weight in b.module.parameters():
            weight.mul_(1.5)
    mixer = Mixer(a, b)
    mixer.set_alpha(0.5)
    mixer.model.ready_to_save()
    mixer.model.save(tmp_path / "saved")
    [again] = loaded(tmp_path / "saved")
    theirs = dict(again.module.named_parameters())
    for name, weight in a.module.named_parameters():
        assert torch.allclose(theirs[name], weight * 1.25, rtol=1e-5), name


def _other_tokenizer(folder: Path) -> None:
    path = folder / "tokenizer.json"
    content = json.loads(path.read_text())
    words = content["model"]["vocab"]
    words["the"], words["red"] = words["red"], words["the"]
    path.write_text(json.dumps(content))


def _other_pixels(folder: Path) -> None:
    for path in (folder / "processor_config.json", folder / "preprocessor_config.json"):
        if path.is_file():
            content = json.loads(path.read_text())
            own: dict[str, Any] = content.get("image_processor", content)
            own["image_mean"] = [0.1, 0.2, 0.3]
            path.write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        (_other_tokenizer, "have different tokenizers; name two models"),
        (_other_pixels, "have different preprocessing of pictures"),
    ],
)
def test_what_differs_is_named(change: Any, wanted: str, tmp_path: Path) -> None:
    folder = make_family("siglip", tmp_path / "a")
    change(shutil.copytree(folder, tmp_path / "b"))
    with pytest.raises(CueframeError, match=wanted) as refused:
        Mixer(*loaded(folder, tmp_path / "b"))
    assert "\n" not in str(refused.value)


def test_other_architectures_are_one_line(tmp_path: Path) -> None:
    a, b = loaded(make_family("clip", tmp_path / "a"), make_family("siglip", tmp_path / "b"))
    with pytest.raises(CueframeError, match="have different architectures") as refused:
        Mixer(a, b)
    assert "\n" not in str(refused.value)
