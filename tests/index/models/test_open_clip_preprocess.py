"""Sizes and crops are torchvision's, by its own formulas."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from index.errors import CueframeError
from index.models.open_clip_preprocess import open_clip_transform

SIDES = st.integers(8, 700)
PLAIN = {
    "size": 32,
    "mode": "RGB",
    "mean": (0.5, 0.4, 0.3),
    "std": (0.2, 0.2, 0.2),
    "interpolation": "bicubic",
    "resize_mode": "shortest",
    "fill_color": 0,
}


def oracle(width: int, height: int, size: tuple[int, int], mode: str) -> tuple[Any, ...]:
    """Scaled width and height, and left and top of the crop, below 0 for a border."""
    tall, wide = size
    if mode == "shortest" and tall == wide:
        short, long = min(width, height), max(width, height)
        longer = int(tall * long / short)
        scaled = (tall, longer) if width <= height else (longer, tall)
    else:
        ratios = (height / tall, width / wide)
        ratio = max(ratios) if mode == "longest" else min(ratios)
        scaled = (round(width / ratio), round(height / ratio))
    corner = []
    for have, want in zip(scaled, (wide, tall), strict=True):
        border = (want - have) // 2 if want > have else 0
        corner.append(-border if want > have else round((have - want) / 2.0))
    return (*scaled, *corner)


@given(SIDES, SIDES, st.sampled_from([(32, 32), (33, 33), (24, 40)]), st.booleans())
def test_sizes_and_crops(width: int, height: int, size: tuple[int, int], padded: bool) -> None:
    mode = "longest" if padded else "shortest"
    config = PLAIN | {"size": size, "resize_mode": mode}
    transform, _ = open_clip_transform(config, None)
    scaled = transform.scaled_size(width, height)
    wanted = oracle(width, height, size, mode)
    if min(wanted[:2]) > 0:
        assert (*scaled, *transform.corner(*scaled)) == wanted


@given(SIDES, SIDES, st.sampled_from(["shortest", "longest", "squash"]))
def test_the_input_has_the_models_size(width: int, height: int, mode: str) -> None:
    transform, _ = open_clip_transform(PLAIN | {"size": (24, 40), "resize_mode": mode}, None)
    assert transform.apply(Image.new("RGB", (width, height))).shape == (24, 40, 3)


def test_the_border_has_the_fill_color() -> None:
    config = PLAIN | {"resize_mode": "longest", "fill_color": 7}
    pixels = open_clip_transform(config, None)[0].apply(Image.new("RGB", (64, 30), "white"))
    assert np.unique(pixels[[0, -1]]).tolist() == [7]
    assert np.unique(pixels[16]).tolist() == [255]
    center = open_clip_transform(PLAIN, "pad")[0]
    assert center.fill == (128, 102, 76)


def test_mean_and_std_may_be_one_number() -> None:
    _, normalize = open_clip_transform(PLAIN | {"mean": 0.5, "std": 0.25}, None)
    assert (normalize.mean, normalize.std) == ((0.5,) * 3, (0.25,) * 3)


@pytest.mark.parametrize(
    "wrong", [{"resize_mode": "tallest"}, {"interpolation": "lanczos"}, {"mode": "BGR"}]
)
def test_what_open_clip_does_not_know(wrong: dict[str, str]) -> None:
    with pytest.raises(CueframeError, match=f"is not known: .*{next(iter(wrong.values()))}"):
        open_clip_transform(PLAIN | wrong, None)
