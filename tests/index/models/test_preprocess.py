"""Squares equal those of the model's own processor, and show what their mode says."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image
from transformers import (
    CLIPImageProcessorPil,
    EfficientNetImageProcessorPil,
    Siglip2ImageProcessorPil,
    SiglipImageProcessorPil,
)

from index.errors import CueframeError, VideoError
from index.models.preprocess import ImageTransform, ViewMode, image_transform_of
from index.models.tiling import pixel_boxes, tiles_of

SIDE = 224
CLIP = CLIPImageProcessorPil()
SIGLIP = SiglipImageProcessorPil()
PROCESSORS = [
    CLIP,
    SIGLIP,
    CLIPImageProcessorPil(size={"shortest_edge": 64}, crop_size={"height": 64, "width": 64}),
    CLIPImageProcessorPil(size={"shortest_edge": 97}, crop_size={"height": 80, "width": 91}),
    CLIPImageProcessorPil(resample=Image.Resampling.BILINEAR),
    SiglipImageProcessorPil(size={"height": 61, "width": 90}),
    EfficientNetImageProcessorPil(  # ALIGN's: squeezed, then cropped
        size={"height": 80, "width": 99},
        crop_size={"height": 64, "width": 71},
        do_center_crop=True,
        include_top=False,
    ),
]
sizes = st.tuples(st.integers(1, 700), st.integers(1, 700)).filter(
    lambda size: max(size) <= 40 * min(size)
)


def noise(size: tuple[int, int]) -> Image.Image:
    """Noise with hard edges: every rounding shows."""
    draw = np.random.default_rng(size)
    pixels = draw.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    pixels[: size[1] // 2] = pixels[: size[1] // 2] // 128 * 255
    return Image.fromarray(pixels)


def by_processor(processor: Any, image: Image.Image) -> np.ndarray:
    """The processor's own square, (H, W, 3) uint8."""
    made = processor(image, do_rescale=False, do_normalize=False, return_tensors="np")
    square: np.ndarray = made["pixel_values"][0].transpose(1, 2, 0)
    return square


def view(mode: ViewMode) -> ImageTransform:
    return image_transform_of(CLIP.to_dict(), mode)


@given(size=sizes, which=st.integers(0, len(PROCESSORS) - 1))
@example(size=(1, 1), which=0)
@example(size=(1, 40), which=0)
@example(size=(225, 223), which=0)
@example(size=(224, 224), which=0)
@example(size=(640, 359), which=0)
@example(size=(61, 700), which=1)
def test_squares_equal_the_processors_to_the_bit(size: tuple[int, int], which: int) -> None:
    processor = PROCESSORS[which]
    image = noise(size)
    mine = image_transform_of(processor.to_dict(), None).apply(image)
    theirs = by_processor(processor, image)
    assert theirs.dtype == mine.dtype == np.uint8
    assert mine.shape == theirs.shape
    assert (mine == theirs).all()


@pytest.mark.parametrize("size", [(1280, 720), (1920, 1080), (720, 1280), (3840, 2160), (853, 481)])
@pytest.mark.parametrize("processor", [CLIP, SIGLIP])
def test_frames_of_common_sizes_equal_the_processors(size: tuple[int, int], processor: Any) -> None:
    image = noise(size)
    mine = image_transform_of(processor.to_dict(), None).apply(image)
    assert (mine == by_processor(processor, image)).all()


@given(size=sizes, which=st.integers(0, len(PROCESSORS) - 1))
@example(size=(320, 180), which=5)
@example(size=(224, 224), which=0)
def test_each_tile_is_what_stretch_makes_of_it(size: tuple[int, int], which: int) -> None:
    image, processor = noise(size), PROCESSORS[which].to_dict()
    if min(size) * 32 < max(size):
        return
    stretch, tiles = (image_transform_of(processor, mode) for mode in ("stretch", "tiles"))
    squares = tiles.squares(image, tiles.tiles_of(image))
    boxes = pixel_boxes(*size, tiles_of(*size))
    assert squares.shape == (len(boxes), stretch.height, stretch.width, 3)
    for square, box in zip(squares, boxes, strict=True):
        assert (square == stretch.apply(image.crop(box))).all()
    if size[0] == size[1]:
        assert (squares == stretch.apply(image)).all()


@given(size=sizes, mode=st.sampled_from(["center", "stretch", "pad"]))
def test_other_views_have_one_square(size: tuple[int, int], mode: ViewMode) -> None:
    assert view(mode).tiles_of(noise(size)) == 1
    squares = view(mode).squares(noise(size), 1)
    assert squares.shape == (1, SIDE, SIDE, 3)
    assert (squares[0] == view(mode).apply(noise(size))).all()


@pytest.mark.parametrize("size", [(1280, 720), (640, 480), (720, 1280), (2000, 400), (97, 97)])
def test_tiles_of_a_frame_that_the_decoder_scaled_are_its_crops(size: tuple[int, int]) -> None:
    tiles = view("tiles")
    scaled = tiles.scaled_size(*size)
    assert min(scaled) == SIDE
    assert tiles_of(*scaled) == tiles_of(*size)
    image = noise(scaled)
    for square, box in zip(
        tiles.squares(image, tiles.tiles_of(image)),
        pixel_boxes(*scaled, tiles_of(*scaled)),
        strict=True,
    ):
        assert (square == np.asarray(image.crop(box))).all()


def test_a_frame_too_long_is_refused_before_it_is_scaled() -> None:
    with pytest.raises(VideoError, match="tiles"):
        view("tiles").scaled_size(100_000, 10)
    assert view("tiles").squares(noise((700, 10)), 3).shape == (3, SIDE, SIDE, 3)


def test_each_processor_has_its_own_mode() -> None:
    modes = [image_transform_of(processor.to_dict(), None).mode for processor in PROCESSORS]
    assert modes == ["center", "stretch", "center", "center", "center", "stretch", "center"]


def bars(width: int, height: int) -> Image.Image:
    """Green, with a red strip at the start of the longer side and a blue one at its end."""
    picture = Image.new("RGB", (width, height), (0, 255, 0))
    strip = (width // 10, height) if width >= height else (width, height // 10)
    picture.paste((255, 0, 0), (0, 0, *strip))
    picture.paste((0, 0, 255), (width - strip[0], height - strip[1], width, height))
    return picture


def shares(square: np.ndarray) -> list[float]:
    """Parts of the square that are red, green, blue."""
    return [float((square[..., c] > 200).mean()) for c in range(3)]


@pytest.mark.parametrize("size", [(640, 360), (360, 640)])
def test_center_shows_the_middle_square(size: tuple[int, int]) -> None:
    square = view("center").apply(bars(*size))
    assert shares(square) == [0.0, 1.0, 0.0]  # the strips at the edges are never seen
    image = noise(size)
    middle = image.crop((140, 0, 500, 360) if size[0] > size[1] else (0, 140, 360, 500))
    away = np.abs(view("center").apply(image) - np.asarray(middle.resize((224, 224), 3), float))
    assert np.median(away) < 8  # 398.2 is cut to 398 pixels, so the grids do not quite meet


@pytest.mark.parametrize("size", [(640, 360), (360, 640), (90, 30), (224, 224)])
def test_stretch_shows_the_whole_squeezed(size: tuple[int, int]) -> None:
    square = view("stretch").apply(bars(*size))
    assert square.shape == (SIDE, SIDE, 3)
    assert shares(square) == pytest.approx([0.1, 0.8, 0.1], abs=0.02)
    image = noise(size)
    squeezed = image.resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    assert (view("stretch").apply(image) == np.asarray(squeezed)).all()


@given(size=sizes)
def test_pad_shows_the_whole_in_its_proportions_between_borders_of_the_mean(
    size: tuple[int, int],
) -> None:
    width, height = size
    square = view("pad").apply(Image.new("RGB", size, (0, 255, 0)))
    assert square.shape == (SIDE, SIDE, 3)
    green = (square == (0, 255, 0)).all(axis=2)
    rows, columns = green.any(axis=1), green.any(axis=0)
    assert (green == rows[:, None] & columns).all()
    assert (square[~green] == (123, 117, 104)).all()  # CLIP's mean times 255
    assert max(rows.sum(), columns.sum()) == SIDE
    assert columns.sum() == pytest.approx(SIDE * min(1, width / height), abs=1)
    assert rows.sum() == pytest.approx(SIDE * min(1, height / width), abs=1)
    for seen in (rows, columns):  # in the middle
        before, after = np.argmax(seen), np.argmax(seen[::-1])
        assert abs(int(after) - int(before)) <= 1


def test_pad_keeps_the_strips_at_the_edges() -> None:
    red, _, blue = shares(view("pad").apply(bars(640, 360)))
    assert red == pytest.approx(0.1 * 360 / 640, abs=0.005)
    assert blue == pytest.approx(0.1 * 360 / 640, abs=0.005)


@given(size=sizes, mode=st.sampled_from(["center", "stretch", "pad"]))
def test_a_picture_of_its_scaled_size_is_not_scaled_again(
    size: tuple[int, int], mode: ViewMode
) -> None:
    seen = view(mode)
    image = noise(size)
    small = image.resize(seen.scaled_size(*size), Image.Resampling.BICUBIC)
    assert (seen.apply(small) == seen.apply(image)).all()


def test_another_mode_takes_the_processors_sizes_and_filter() -> None:
    tall = image_transform_of(PROCESSORS[5].to_dict(), "center")
    assert (tall.height, tall.width, tall.shortest_edge) == (61, 90, 90)
    assert tall.apply(noise((500, 300))).shape == (61, 90, 3)
    assert image_transform_of(PROCESSORS[4].to_dict(), "pad").resample == Image.Resampling.BILINEAR
    assert image_transform_of(SIGLIP.to_dict(), "pad").fill == (128, 128, 128)


@pytest.mark.parametrize(
    "changes",
    [
        {"do_center_crop": False},  # sides that differ from frame to frame
        {"do_resize": False},
        {"do_pad": True},
        {"size": {"shortest_edge": 200}},  # the crop is larger, and would be filled with black
        {"size": {"longest_edge": 224}},
    ],
)
def test_a_processor_that_does_something_else_needs_a_named_view(changes: dict[str, Any]) -> None:
    processor = {**CLIP.to_dict(), **changes}
    with pytest.raises(CueframeError, match="--view center, stretch, pad or tiles"):
        image_transform_of(processor, None)
    named = image_transform_of(processor, "stretch")
    assert named.apply(noise((300, 200))).shape[2] == 3


NAFLEX = Siglip2ImageProcessorPil(patch_size=4, max_num_patches=60)


@given(size=sizes)
@example(size=(1280, 720))
def test_the_native_view_has_the_processors_patches(size: tuple[int, int]) -> None:
    seen = image_transform_of(NAFLEX.to_dict(), None)
    made = NAFLEX(noise(size), do_rescale=False, do_normalize=False)
    packed = seen.apply(noise(size))
    assert packed.shape == (seen.height, seen.width, 3) == (61, 16, 3)
    assert (packed[1:].reshape(60, -1) == made["pixel_values"][0]).all()


@given(size=sizes)
def test_a_frame_scaled_by_the_decoder_keeps_its_patches(size: tuple[int, int]) -> None:
    seen = image_transform_of(NAFLEX.to_dict(), "native")
    small = noise(size).resize(seen.scaled_size(*size), Image.Resampling.BILINEAR)
    assert (seen.apply(small, scaled=True) == seen.apply(noise(size))).all()


@pytest.mark.parametrize(
    "changes", [{"patch_size": 1}, {"max_num_patches": 10**9}, {"do_resize": False}]
)
def test_patches_that_cannot_be_cut_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(CueframeError, match="which Cueframe cannot follow; name another"):
        image_transform_of({**NAFLEX.to_dict(), **changes}, None)


def test_a_record_of_a_view_makes_it_again() -> None:
    seen = view("pad")
    assert ImageTransform(**seen.as_dict()) == seen
    for processor in (PROCESSORS[-1], NAFLEX):
        other = image_transform_of(processor.to_dict(), None)
        assert ImageTransform(**other.as_dict()) == other
    assert replace(seen, mode="center") == view("center")
