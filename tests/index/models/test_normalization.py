"""Values are those that the image processors of transformers compute."""

from typing import Any

import numpy as np
import pytest
import torch
from transformers import (
    CLIPImageProcessorPil,
    EfficientNetImageProcessorPil,
    Siglip2ImageProcessorPil,
)

from index.models.normalization import Normalization, normalization_of, patch_inputs
from index.models.preprocess import image_transform_of
from tests.index.models.test_preprocess import noise

SQUARE = noise((32, 32))
PIXELS = torch.from_numpy(np.asarray(SQUARE).copy()).permute(2, 0, 1)[None]
EFFICIENT: dict[str, Any] = {"size": {"height": 32, "width": 32}, "image_std": [0.2, 0.3, 0.4]}


@pytest.mark.parametrize(
    "processor",
    [
        CLIPImageProcessorPil(do_resize=False, do_center_crop=False),
        CLIPImageProcessorPil(do_resize=False, do_center_crop=False, do_normalize=False),
        CLIPImageProcessorPil(do_resize=False, do_center_crop=False, do_rescale=False),
        *(
            EfficientNetImageProcessorPil(
                **EFFICIENT, rescale_offset=offset, include_top=again, do_normalize=normal
            )
            for offset in (True, False)
            for again in (True, False)
            for normal in (True, False)
        ),
    ],
)
def test_values_equal_the_processors(processor: Any) -> None:
    theirs = processor(SQUARE, return_tensors="pt")["pixel_values"].float()
    mine = normalization_of(processor.to_dict())(PIXELS)
    assert torch.allclose(mine, theirs, atol=1e-5, rtol=1e-5)


def test_patches_equal_the_processors() -> None:
    processor = Siglip2ImageProcessorPil(patch_size=8, max_num_patches=24, image_mean=[0.4] * 3)
    images = [noise(size) for size in ((320, 180), (64, 64), (90, 200), (31, 7))]
    theirs = processor(images, return_tensors="pt")
    transform = image_transform_of(processor.to_dict(), None)
    packed = torch.from_numpy(np.stack([transform.apply(image) for image in images]))
    mine = patch_inputs(packed.permute(0, 3, 1, 2), normalization_of(processor.to_dict()))
    assert torch.allclose(mine["pixel_values"], theirs["pixel_values"].float(), atol=1e-6)
    for key in ("pixel_attention_mask", "spatial_shapes"):
        assert (mine[key] == theirs[key]).all()


def test_what_stands_in_for_a_picture_is_one_patch() -> None:
    """As padding of a batch in training."""
    nothing = torch.zeros(2, 3, 1 + 6, 16, dtype=torch.uint8)
    made = patch_inputs(nothing, Normalization(1 / 255, (0.5,) * 3, (0.5,) * 3))
    assert made["spatial_shapes"].tolist() == [[1, 1]] * 2
    assert made["pixel_attention_mask"].sum(dim=1).tolist() == [1, 1]
