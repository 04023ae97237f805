"""Pictures as people see them, or one line about why not."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from index.errors import CueframeError
from infer.searching.pictures import read_picture

RED, BLUE, WHITE = (255, 0, 0), (0, 0, 255), (255, 255, 255)


def two_halves(mode: str) -> Image.Image:
    """Red on the left, blue on the right."""
    picture = Image.new(mode, (4, 2), (*RED, 255)[: len(mode)])
    picture.paste((*BLUE, 255)[: len(mode)], (2, 0, 4, 2))
    return picture


def test_it_is_turned_as_exif_says(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 8  # shown turned by a quarter, against the clock
    two_halves("RGB").save(tmp_path / "a.png", exif=exif)
    seen = np.asarray(read_picture(tmp_path / "a.png"))
    assert seen.shape == (4, 2, 3)
    assert [tuple(row[0]) for row in seen] == [BLUE, BLUE, RED, RED]


def test_what_is_transparent_is_white(tmp_path: Path) -> None:
    picture = two_halves("RGBA")
    picture.putpixel((0, 0), (9, 9, 9, 0))
    picture.save(tmp_path / "a.png")
    seen = read_picture(tmp_path / "a.png")
    assert [seen.getpixel((x, 0)) for x in (0, 1, 3)] == [WHITE, RED, BLUE]
    two_halves("RGB").convert("P").save(tmp_path / "a.gif", transparency=0)
    assert read_picture(tmp_path / "a.gif").mode == "RGB"


@pytest.mark.parametrize(
    ("made", "wanted"),
    [
        (lambda path: None, "is no file; give a picture"),
        (lambda path: path.mkdir(), "is no file; give a picture"),
        (lambda path: path.write_bytes(b""), "cannot be read (UnidentifiedImageError: "),
        (
            lambda path: path.write_bytes(two_halves("RGB").tobytes()),
            "cannot be read (UnidentifiedImageError: ",
        ),
        (
            lambda path: Image.new("I;16", (3, 3)).save(path, "png"),
            "more than eight bits a pixel (mode I;16); save it",
        ),
        (
            lambda path: Image.new("L", (1, 33)).save(path, "png"),
            "1x33 pixels, one side more than 32 times the other; cut it",
        ),
        (
            lambda path: Image.new("1", (13_000, 13_000)).save(path, "png"),
            "13000x13000 pixels, more than 89 million; make it smaller",
        ),
        (
            lambda path: Image.new("1", (20_000, 10_000)).save(path, "png"),
            "more than 89 million pixels; make it smaller",
        ),
    ],
)
def test_what_cannot_be_read(tmp_path: Path, made: object, wanted: str) -> None:
    path = tmp_path / "a.png"
    assert callable(made)
    made(path)
    with pytest.raises(CueframeError) as refused:
        read_picture(path)
    assert str(refused.value).startswith(f"--image {path} ")
    assert wanted in str(refused.value)
    assert "\n" not in str(refused.value)


def test_half_a_file(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    noise = np.random.default_rng(0).integers(256, size=(64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[:6000])
    with pytest.raises(CueframeError, match=r"cannot be read \(OSError: "):
        read_picture(path)
