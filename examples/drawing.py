"""Drawings of the things, the signs and the street in the demo's scenes.

A drawing is a list of strokes on a grid; `sprite` paints it in a colour.
"""

import random

from PIL import Image, ImageDraw

Point = tuple[float, float]
Stroke = tuple[str, str, list[Point]]  # method of ImageDraw, paint, points on the drawing's grid

HEIGHT = 180

COLOURS = {  # English: (Vietnamese, RGB)
    "red": ("đỏ", (214, 40, 40)),
    "green": ("xanh lá", (38, 160, 64)),
    "blue": ("xanh dương", (40, 84, 214)),
    "yellow": ("vàng", (244, 208, 34)),
    "purple": ("tím", (142, 52, 168)),
    "white": ("trắng", (246, 246, 246)),
}
PAINTS = {"tyre": (34, 34, 38, 255), "glass": (64, 74, 88, 255), "hole": (0, 0, 0, 0)}


def _disc(paint: str, x: float, y: float, radius: float) -> Stroke:
    return "ellipse", paint, [(x - radius, y - radius), (x + radius, y + radius)]


def _box(paint: str, left: float, top: float, right: float, bottom: float) -> Stroke:
    return "rectangle", paint, [(left, top), (right, bottom)]


THING_GRID, SIGN_GRID = (120, 70), (50, 50)
THINGS: dict[str, tuple[str, list[Stroke]]] = {  # English: (Vietnamese, drawing)
    "car": (
        "ô tô",
        [
            ("polygon", "paint", [(4, 60), (4, 42), (26, 38), (42, 20), (82, 20), (98, 38)]),
            ("polygon", "paint", [(4, 60), (26, 38), (98, 38), (116, 42), (116, 60)]),
            ("polygon", "glass", [(36, 37), (46, 25), (60, 25), (60, 37)]),
            ("polygon", "glass", [(65, 37), (65, 25), (79, 25), (89, 37)]),
            _disc("tyre", 28, 58, 11),
            _disc("tyre", 92, 58, 11),
        ],
    ),
    "truck": (
        "xe tải",
        [
            _box("paint", 2, 4, 74, 52),
            ("polygon", "paint", [(80, 56), (80, 22), (104, 22), (118, 40), (118, 56)]),
            ("polygon", "glass", [(88, 38), (88, 27), (101, 27), (110, 38)]),
            _box("tyre", 2, 52, 84, 57),
            _disc("tyre", 20, 58, 11),
            _disc("tyre", 44, 58, 11),
            _disc("tyre", 98, 58, 11),
        ],
    ),
    "bus": (
        "xe buýt",
        [
            _box("paint", 1, 6, 119, 58),
            *(_box("glass", left, 13, left + 15, 32) for left in (7, 27, 47, 67, 87)),
            _box("glass", 106, 13, 117, 50),
            _disc("tyre", 26, 59, 10),
            _disc("tyre", 90, 59, 10),
        ],
    ),
    "bicycle": (
        "xe đạp",
        [
            _disc("paint", 28, 46, 23),
            _disc("hole", 28, 46, 15),
            _disc("paint", 92, 46, 23),
            _disc("hole", 92, 46, 15),
            ("line", "paint", [(28, 46), (46, 18), (80, 18), (56, 46), (28, 46)]),
            ("line", "paint", [(56, 46), (42, 8)]),
            ("line", "paint", [(92, 46), (78, 6), (90, 4)]),
            _box("tyre", 32, 5, 52, 10),
        ],
    ),
    "tractor": (
        "máy kéo",
        [
            _box("paint", 52, 26, 112, 50),
            _box("paint", 16, 1, 60, 7),
            _box("paint", 18, 4, 24, 40),
            _box("paint", 50, 4, 56, 40),
            _box("tyre", 94, 8, 100, 26),
            _disc("tyre", 34, 43, 27),
            _disc("paint", 34, 43, 13),
            _disc("tyre", 100, 55, 15),
            _disc("paint", 100, 55, 6),
        ],
    ),
    "ball": ("quả bóng", [_disc("paint", 60, 36, 33), _disc("glass", 48, 24, 7)]),
}
SIGNS: dict[str, tuple[str, list[Stroke]]] = {
    "square": ("hình vuông", [_box("paint", 5, 5, 45, 45)]),
    "ring": ("vòng tròn", [_disc("paint", 25, 25, 23), _disc("hole", 25, 25, 12)]),
    "triangle": ("hình tam giác", [("polygon", "paint", [(25, 2), (49, 47), (1, 47)])]),
    "cross": ("chữ thập", [_box("paint", 18, 2, 32, 48), _box("paint", 2, 18, 48, 32)]),
    "arrow": (
        "mũi tên",
        [("polygon", "paint", [(49, 25), (24, 2), (24, 16), (1, 16), (1, 34), (24, 34), (24, 48)])],
    ),
    "heart": (
        "trái tim",
        [
            _disc("paint", 14, 16, 12.5),
            _disc("paint", 36, 16, 12.5),
            ("polygon", "paint", [(3, 22), (47, 22), (25, 48)]),
            _box("paint", 14, 14, 36, 24),
        ],
    ),
}


def sprite(strokes: list[Stroke], grid: tuple[int, int], colour: str, scale: float) -> Image.Image:
    """Draw strokes in a colour on a transparent ground, `scale` times the size of their grid."""
    fine = 4  # drawn four times as large, then scaled down: smooth edges
    picture = Image.new("RGBA", (grid[0] * fine, grid[1] * fine))
    draw = ImageDraw.Draw(picture)
    for method, paint, points in strokes:
        fill = (*COLOURS[colour][1], 255) if paint == "paint" else PAINTS[paint]
        how = {"width": 6 * fine, "joint": "curve"} if method == "line" else {}
        getattr(draw, method)([(x * fine, y * fine) for x, y in points], fill=fill, **how)
    size = (round(grid[0] * scale), round(grid[1] * scale))
    return picture.resize(size, Image.Resampling.LANCZOS)


def street(rng: random.Random, width: int) -> Image.Image:
    """Draw a grey street with houses, `width` pixels long."""
    picture = Image.new("RGB", (width, HEIGHT), (136, 140, 148))
    draw = ImageDraw.Draw(picture)
    x = 0
    while x < width:
        grey, house, top = rng.randint(98, 122), rng.randint(30, 70), rng.randint(40, 90)
        draw.rectangle((x, top, x + house, 112), fill=(grey, grey, grey - 6))
        for left in range(x + 6, x + house - 8, 14):
            for row in range(top + 8, 104, 16):
                draw.rectangle((left, row, left + 6, row + 8), fill=(grey + 16,) * 3)
        x += house + rng.randint(2, 30)
    draw.rectangle((0, 112, width, HEIGHT), fill=(84, 84, 90))
    for left in range(0, width, 40):
        draw.rectangle((left, 168, left + 20, 171), fill=(150, 150, 150))
    return picture
