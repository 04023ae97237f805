"""Tiles cover the whole frame, and what is half a tile wide is whole in one of them."""

from itertools import pairwise

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from index.errors import VideoError
from index.models.tiling import MOST_TILES, pixel_boxes, tile_boxes, tiles_of

sizes = st.tuples(st.integers(1, 4000), st.integers(1, 4000))


@pytest.mark.parametrize(
    ("size", "tiles"),
    [((720, 720), 1), ((640, 480), 2), ((1920, 1080), 3), ((1080, 1920), 3), ((2560, 1080), 4)],
)
def test_usual_frames(size: tuple[int, int], tiles: int) -> None:
    assert tiles_of(*size) == tiles


def test_the_boxes_of_16_to_9() -> None:
    assert pixel_boxes(1920, 1080, 3) == [
        (0, 0, 1080, 1080),
        (420, 0, 1500, 1080),
        (840, 0, 1920, 1080),
    ]
    assert pixel_boxes(180, 320, 3) == [(0, 0, 180, 180), (0, 70, 180, 250), (0, 140, 180, 320)]
    assert tile_boxes(320, 180, 3)[0] == (0, 0, 0.5625, 1)


@given(size=sizes)
@example(size=(1, 1))
@example(size=(2, 1))
@example(size=(3, 99))
def test_tiles_are_squares_that_cover_the_frame_and_overlap_by_half(size: tuple[int, int]) -> None:
    assume(tiles_fit(size))
    boxes = pixel_boxes(*size, tiles_of(*size))
    for left, top, right, bottom in boxes:
        assert right - left == bottom - top == min(size)
        assert 0 <= left < right <= size[0]
        assert 0 <= top < bottom <= size[1]
    check_cover(size, boxes)


@given(size=sizes, tiles=st.integers(1, MOST_TILES))
def test_a_frame_of_another_shape_is_covered_by_as_many_tiles(
    size: tuple[int, int], tiles: int
) -> None:
    boxes = pixel_boxes(*size, tiles)
    assert len(boxes) == tiles
    check_cover(size, boxes)
    for fractions, pixels in zip(tile_boxes(*size, tiles), boxes, strict=True):
        scaled = [part * size[n % 2] for n, part in enumerate(fractions)]
        assert scaled == pytest.approx(pixels)


def check_cover(size: tuple[int, int], boxes: list[tuple[int, int, int, int]]) -> None:
    """From the first to the last pixel of the longer side, the shorter side whole."""
    along = 0 if size[0] >= size[1] else 1
    spans = [(box[along], box[along + 2]) for box in boxes]
    assert spans[0][0] == 0
    assert spans[-1][1] == max(size)
    for (start, end), (following, _) in pairwise(spans):
        assert start <= following
        assert 2 * (end - following) >= end - start - 1  # half a tile, to the pixel
    for box in boxes:
        assert (box[1 - along], box[3 - along]) == (0, min(size))


def tiles_fit(size: tuple[int, int]) -> bool:
    short, long = sorted(size)
    return 1 + 2 * (long - short) / short <= MOST_TILES


@given(size=sizes)
def test_what_needs_too_many_is_one_line(size: tuple[int, int]) -> None:
    if tiles_fit(size):
        assert 1 <= tiles_of(*size) <= MOST_TILES
    else:
        with pytest.raises(VideoError, match=rf"of {size[0]}x{size[1]} need \d+ tiles, and 64 are"):
            tiles_of(*size)
