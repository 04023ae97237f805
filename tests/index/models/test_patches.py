"""Pictures in patches are those of SigLIP 2's own image processor, whatever their proportions."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from transformers import Siglip2ImageProcessorPil
from transformers.models.siglip2.image_processing_pil_siglip2 import (
    get_image_size_for_max_num_patches,
)

from index.models.patches import pack, whole_patches

sides = st.integers(1, 4000)


@given(width=sides, height=sides, patch=st.integers(2, 32), most=st.integers(1, 1024))
@example(width=1920, height=1080, patch=16, most=256)
@example(width=1, height=4000, patch=16, most=256)
def test_the_size_is_the_processors(width: int, height: int, patch: int, most: int) -> None:
    size = whole_patches(width, height, patch=patch, most=most)
    assert size == get_image_size_for_max_num_patches(height, width, patch, most)[::-1]
    assert size[0] % patch == size[1] % patch == 0


def test_a_wide_frame_keeps_its_proportions() -> None:
    assert whole_patches(1920, 1080, patch=16, most=256) == (336, 192)


@given(
    rows=st.integers(1, 300),
    columns=st.integers(1, 8),
    patch=st.integers(2, 4),
    more=st.integers(0, 9),
)
@example(rows=256, columns=1, patch=2, more=0)
def test_packed_patches_are_the_pictures(rows: int, columns: int, patch: int, more: int) -> None:
    pixels = np.random.default_rng(rows).integers(
        0, 256, (rows * patch, columns * patch, 3), dtype=np.uint8
    )
    packed = pack(pixels, patch=patch, most=rows * columns + more)
    assert packed.shape == (1 + rows * columns + more, patch * patch, 3)
    assert packed[0, 0, :2].tolist() == [rows // 256, rows % 256]
    assert packed[0, 1, :2].tolist() == [0, columns]
    row, column = (rows - 1) // 2, columns - 1
    square = pixels[row * patch : (row + 1) * patch, column * patch : (column + 1) * patch]
    assert (packed[1 + row * columns + column].reshape(square.shape) == square).all()
    assert not packed[1 + rows * columns :].any()


def test_they_are_in_the_processors_order() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (8, 12, 3), dtype=np.uint8)
    processor = Siglip2ImageProcessorPil(patch_size=4, max_num_patches=6)
    made = processor(pixels, do_resize=False, do_rescale=False, do_normalize=False)
    assert (pack(pixels, patch=4, most=6)[1:].reshape(6, -1) == made["pixel_values"][0]).all()
    assert made["spatial_shapes"][0] == (2, 3)
    with pytest.raises(ValueError, match="could not broadcast"):
        pack(pixels, patch=4, most=5)
