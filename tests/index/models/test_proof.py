"""Our way of encoding is compared with the model's own, and any other way is refused."""

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tokenizers import processors

from index.errors import CueframeError
from index.models.encoder import load_dual_model
from index.models.normalization import Normalization
from index.models.preprocess import ViewMode
from index.models.proof import MOST_DIFFERENCE, prove_images, prove_texts, structured_picture
from tests.model_families import make_family


@pytest.fixture
def model(tiny_model: Path) -> Any:
    return load_dual_model(str(tiny_model), None)


def test_a_model_is_proved_to_the_rounding_of_float32(model: Any) -> None:
    images, texts = prove_images(model), prove_texts(model)
    assert images is not None
    assert texts is not None
    assert max(images, texts) < 1e-3 < MOST_DIFFERENCE


@pytest.mark.parametrize("view", ["stretch", "pad", "center"])
def test_what_is_proved_is_the_models_own_view(tiny_model: Path, view: ViewMode) -> None:
    chosen = load_dual_model(str(tiny_model), view)
    assert chosen.transform.mode == view
    assert (prove_images(chosen) or 0) < 1e-3


def other_mean(model: Any) -> None:
    old = model._normalize
    model._normalize = Normalization(old.factor, [old.mean[0] + 0.02, *old.mean[1:]], old.std)


def other_deviation(model: Any) -> None:
    old = model._normalize
    model._normalize = Normalization(old.factor, old.mean, [old.std[0] * 1.2, *old.std[1:]])


def other_factor(model: Any) -> None:
    old = model._normalize
    model._normalize = Normalization(1 / 256 * 1.1, old.mean, old.std)


def another_transform(**changes: Any) -> Callable[[Any], None]:
    def change(model: Any) -> None:
        model.own_transform = dataclasses.replace(model.own_transform, **changes)

    return change


def swapped_channels(model: Any) -> None:
    right = model.image_vectors
    model.image_vectors = lambda pixels: right(pixels.flip(1))


def mirrored(model: Any) -> None:
    right = model.image_vectors
    model.image_vectors = lambda pixels: right(pixels.flip(3))


WRONG_PICTURES = {
    "mean": other_mean,
    "deviation": other_deviation,
    "factor": other_factor,
    "filter": another_transform(resample=Image.Resampling.NEAREST),
    "softer filter": another_transform(resample=Image.Resampling.BILINEAR),
    "crop": another_transform(shortest_edge=70),
    "squeezed": another_transform(mode="stretch"),
    "channels": swapped_channels,
    "mirrored": mirrored,
}


@pytest.mark.parametrize("name", WRONG_PICTURES)
def test_another_way_to_the_pixels_is_refused(name: str, model: Any) -> None:
    WRONG_PICTURES[name](model)
    wanted = "vectors of pictures that Cueframe computes are not those of .* by its own processor"
    with pytest.raises(CueframeError, match=wanted) as refused:
        prove_images(model)
    assert "\n" not in str(refused.value)


def without_template(model: Any) -> None:
    model.tokenizer.backend_tokenizer.post_processor = processors.Sequence([])


def in_capitals(model: Any) -> None:
    right = model.tokens
    model.tokens = lambda texts: right([text[::-1] for text in texts])


def shortened(model: Any) -> None:
    model.max_tokens = 10


WRONG_TEXTS = {"template": without_template, "reversed": in_capitals, "cut": shortened}


@pytest.mark.parametrize("name", WRONG_TEXTS)
def test_another_way_to_the_tokens_is_refused(name: str, model: Any) -> None:
    WRONG_TEXTS[name](model)
    with pytest.raises(CueframeError, match=r"vectors of texts .* are not those of"):
        prove_texts(model)


def test_numbers_that_are_not_finite_are_refused(model: Any) -> None:
    with torch.no_grad():
        model.module.visual_projection.weight.fill_(float("nan"))
    with pytest.raises(CueframeError, match="no finite numbers in float32"):
        prove_images(model)


def test_a_package_that_is_not_there_is_said(
    model: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def absent(_images: Any) -> None:
        raise ImportError("it needs torchvision\nand more")

    monkeypatch.setattr(model, "own_image_vectors", absent)
    assert prove_images(model) is None
    said = capsys.readouterr().err
    assert "not proved" in said
    assert said.count("\n") == 1


def test_pictures_have_no_two_channels_or_sides_alike() -> None:
    for size, seed in (((448, 252), 0), ((150, 600), 1)):
        picture = structured_picture(*size, seed)
        assert picture.size == size
        assert picture == structured_picture(*size, seed)
        values = np.asarray(picture).astype(float)
        for other in (values[::-1], values[:, ::-1], values[..., ::-1], values[..., [1, 0, 2]]):
            assert np.abs(values - other).mean() > 20


@pytest.mark.parametrize("family", ["siglip", "aimv2"])
def test_a_folder_whose_tokenizer_lost_its_template_is_refused(family: str, tmp_path: Path) -> None:
    folder = make_family(family, tmp_path / "model")
    path = folder / "tokenizer.json"
    content = json.loads(path.read_text())
    content["post_processor"] = None
    path.write_text(json.dumps(content))
    path = folder / "tokenizer_config.json"
    content = json.loads(path.read_text())
    path.write_text(json.dumps(content | {"tokenizer_class": "PreTrainedTokenizerFast"}))
    with pytest.raises(CueframeError, match="does not end a text with"):
        load_dual_model(str(folder), None)


def test_the_processors_own_values_are_read_anew(tiny_model: Path, tmp_path: Path) -> None:
    """What is compared with is the folder's, not what was loaded before it changed."""
    folder = tmp_path / "model"
    shutil.copytree(tiny_model, folder)
    model = load_dual_model(str(folder), None)
    path = folder / "processor_config.json"
    content = json.loads(path.read_text())
    content["image_processor"]["image_mean"] = [0.1, 0.2, 0.3]
    path.write_text(json.dumps(content))
    with pytest.raises(CueframeError, match="vectors of pictures"):
        prove_images(model)
