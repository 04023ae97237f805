"""The tiles of a frame: squares that cover it, so that nothing at its edges is left out.

They have the side of the frame's shorter side and stand at equal steps along its longer one. A step
is half a tile at most, so what is half a tile wide is whole in one of them: a square has 1 tile,
4:3 has 2, 16:9 has 3. A video has as many as its first frame; a frame of another shape in its midst
gets the same number, wider than squares where they would not cover it.
"""

from index.errors import VideoError

MOST_TILES = 64
"""Tiles that the ids of frames.faiss can tell apart."""

Box = tuple[float, float, float, float]
"""Left, top, right and bottom."""


def tiles_of(width: int, height: int) -> int:
    """Return how many tiles cover a frame, T.

    Raises:
        VideoError: They are more than `MOST_TILES`.
    """
    short, long = sorted((width, height))
    tiles = 1 - (-2 * (long - short) // short)
    if tiles > MOST_TILES:
        raise VideoError(
            f"its frames of {width}x{height} need {tiles} tiles, and {MOST_TILES} are possible; "
            "cut the video to what is to be seen, or leave it out of an index with --view tiles"
        )
    return tiles


def pixel_boxes(width: int, height: int, tiles: int) -> list[tuple[int, int, int, int]]:
    """Return the boxes (T,) of a frame's tiles in whole pixels, from the left or from the top."""
    short, long = sorted((width, height))
    side = min(long, max(short, -(-2 * long // (tiles + 1))))
    starts = [round(n * (long - side) / max(1, tiles - 1)) for n in range(tiles)]
    if width >= height:
        return [(start, 0, start + side, height) for start in starts]
    return [(0, start, width, start + side) for start in starts]


def tile_boxes(width: int, height: int, tiles: int) -> list[Box]:
    """Return the boxes (T,) as fractions of the frame's width and height."""
    return [
        (left / width, top / height, right / width, bottom / height)
        for left, top, right, bottom in pixel_boxes(width, height, tiles)
    ]
