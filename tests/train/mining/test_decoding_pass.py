"""One pass through a video: which frames are handed over, and which pictures are kept."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from index.decoding.frame_types import VideoMetadata
from tests.truths import CENTER, Generated, drain
from tests.videos import Recipe, read_number, write
from train.mining.decoding_pass import DecodingPass, ImageFormat, WantedFrames, picture_path

HOURS = Recipe(pts=(0, 1, 2, 9000, 9001), time_base=Fraction(1), options={"bf": "0"})
"""A slide that is shown for two and a half hours."""


def passed(
    path: Path,
    scratch: Path,
    labelled_s: tuple[float, ...] = (),
    *,
    only_labelled: bool = False,
    fps: float = 1.0,
    image_format: ImageFormat = "png",
) -> tuple[list[tuple[float, float, int]], VideoMetadata]:
    """Time, end and number of the frames that are handed over."""
    wanted = WantedFrames(scratch=str(scratch), labelled_s=labelled_s, only_labelled=only_labelled)
    decoding_pass = DecodingPass(
        wanted={str(path): wanted}, fps=fps, transform=CENTER, image_format=image_format
    )
    rows, metadata = drain(decoding_pass(str(path)))
    return [(t, end, read_number(Image.fromarray(square))) for t, end, (square,) in rows], metadata


@pytest.mark.parametrize("image_format", ["png", "jpg"])
def test_sampled_and_labelled_frames_are_handed_over_once(
    image_format: ImageFormat, generated: Generated, tmp_path: Path
) -> None:
    path, truth = generated("b_frames")
    rows, metadata = passed(path, tmp_path, (1.0, 1.01, 2.34, 99.0), image_format=image_format)
    assert [number for _, _, number in rows] == [0, 25, 50, 58, 75, 99]
    assert metadata.duration_s == truth.duration_s
    for time_s, _, number in rows:
        with Image.open(picture_path(tmp_path, time_s, image_format)) as picture:
            assert read_number(picture) == number


def test_labelled_frames_alone_are_handed_over_but_all_pictures_kept(
    generated: Generated, tmp_path: Path
) -> None:
    path, _ = generated("b_frames")
    rows, _ = passed(path, tmp_path, (1.0, 2.34, 99.0), only_labelled=True)
    assert [number for _, _, number in rows] == [25, 58, 99]
    assert len(list(tmp_path.glob("*.png"))) == len(list(tmp_path.glob("*.squares"))) == 6


def test_a_frame_that_is_shown_for_hours_is_one_frame(tmp_path: Path) -> None:
    path = tmp_path / "slides.mp4"
    write(path, HOURS)
    rows, metadata = passed(path, tmp_path / "scratch", (5000.0,), fps=25.0)
    assert rows == [(0, 1, 0), (1, 2, 1), (2, 9000, 2), (9000, 9001, 3), (9001, 9002, 4)]
    assert metadata.duration_s == 9002
    rows, _ = passed(path, tmp_path / "other", (5000.0,), only_labelled=True)
    assert rows == [(2, 9000, 2)]


def test_squares_beside_a_picture_are_those_of_the_picture(
    generated: Generated, tmp_path: Path
) -> None:
    passed(generated("b_frames")[0], tmp_path)
    for picture in tmp_path.glob("*.png"):
        with Image.open(picture) as image:
            expected = CENTER.squares(image, 1)
        kept = np.fromfile(picture.with_suffix(".squares"), np.uint8).reshape(expected.shape)
        assert (kept == expected).all()
