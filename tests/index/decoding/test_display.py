"""Pictures as a player shows them: upright, unmirrored, with square pixels."""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import product
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import pytest
from av.video.stream import VideoStream
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from index.decoding import display
from index.decoding.decord_decoder import trusted_packets
from index.decoding.display import Display, DisplayReader
from index.decoding.frame_types import Scale, VideoMetadata, every
from index.decoding.pyav_decoder import decode_pyav
from tests.truths import CENTER, drain
from tests.videos import draw, read_number

RIGHT_ANGLES = [
    (a, b, c, d)
    for a, b, c, d in product((-1, 0, 1), repeat=4)
    if a * a + b * b == c * c + d * d == abs(a * d - b * c) == 1
]
ONE = 2**16


def write(
    path: Path,
    *,
    matrix: tuple[float, ...] = (1, 0, 0, 1),
    pixel_aspect: Fraction = Fraction(1),
    size: tuple[int, int] = (300, 180),
    codec: str = "libx264",
    first: int = 0,
) -> Path:
    """Ten frames, numbered from `first` on, with a display matrix and a shape of the pixels."""
    with av.open(str(path), "w") as container:
        options = {"preset": "ultrafast"} if codec == "libx264" else {"g": "5"}
        stream = container.add_stream(codec, rate=25, options=options)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        stream.codec_context.sample_aspect_ratio = pixel_aspect
        a, b, c, d = (round(value * ONE) for value in matrix)
        if matrix != (1, 0, 0, 1):
            stream.set_display_matrix([a, b, 0, c, d, 0, 0, 0, 1 << 30])
        for number in range(first, first + 10):
            frame = av.VideoFrame.from_image(draw(number, *size))
            frame.pts, frame.time_base = number, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def read(path: Path, scale: Scale | None = None) -> tuple[list[Image.Image], VideoMetadata]:
    frames, metadata = drain(decode_pyav(path, every(25.0), scale, False))
    return [frame.image for frame in frames], metadata


def mapped(
    pixels: npt.NDArray[np.uint8], matrix: tuple[int, int, int, int]
) -> npt.NDArray[np.uint8]:
    """Each point (x, y) at (ax + cy, bx + dy), moved to begin at 0: the matrix's definition."""
    a, b, c, d = matrix
    height, width = pixels.shape[:2]
    y, x = np.mgrid[:height, :width]
    to_x, to_y = a * x + c * y, b * x + d * y
    to_x, to_y = to_x - to_x.min(), to_y - to_y.min()
    shown = np.empty((to_y.max() + 1, to_x.max() + 1, *pixels.shape[2:]), np.uint8)
    shown[to_y, to_x] = pixels
    return shown


@given(
    matrix=st.sampled_from(RIGHT_ANGLES),
    width=st.integers(1, 20),
    height=st.integers(1, 20),
    seed=st.integers(0, 99),
)
def test_a_picture_is_turned_and_mirrored_as_the_matrix_says(
    matrix: tuple[int, int, int, int], width: int, height: int, seed: int
) -> None:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    frame = av.VideoFrame.from_ndarray(pixels, "rgb24")
    shown = display._display(matrix, Fraction(1))
    assert (np.asarray(shown.picture(frame, None)) == mapped(pixels, matrix)).all()
    assert shown.picture(frame, None).size == shown.size(frame)
    assert shown.warning == ""


def test_there_are_eight_right_angles() -> None:
    assert set(RIGHT_ANGLES) == set(display._TRANSPOSES)
    assert len(RIGHT_ANGLES) == 8


@pytest.mark.parametrize("matrix", RIGHT_ANGLES)
@pytest.mark.parametrize("pixel_aspect", [Fraction(1), Fraction(4, 3)])
@pytest.mark.parametrize("suffix", [".mp4", ".mov"])
def test_files_are_shown_as_a_player_shows_them(
    suffix: str, pixel_aspect: Fraction, matrix: tuple[int, int, int, int], tmp_path: Path
) -> None:
    path = write(tmp_path / f"video{suffix}", matrix=matrix, pixel_aspect=pixel_aspect)
    images, metadata = read(path)
    for number, image in enumerate(images):
        width, height = (300 * pixel_aspect, 180) if matrix[0] else (180, 300 * pixel_aspect)
        assert image.size == (width, height) == (metadata.width, metadata.height)
        expected = mapped(
            np.asarray(draw(number, 300, 180).resize((int(300 * pixel_aspect), 180))), matrix
        )
        assert np.abs(np.asarray(image, int) - expected).mean() < 8
    assert metadata.warnings == []
    plain = matrix == (1, 0, 0, 1) and pixel_aspect == 1
    assert (trusted_packets(path) is not None) == (plain and suffix in {".mp4", ".mov"})


@pytest.mark.parametrize(
    "matrix",
    [(0.71, 0.71, -0.71, 0.71), (2, 0, 0, 2), (0, 0, 0, 0), (1, 0.3, 0, 1), (0.94, 0.34, -0.34, 1)],
)
def test_other_matrices_leave_the_picture_as_it_is_and_are_told(
    matrix: tuple[float, ...], tmp_path: Path
) -> None:
    path = write(tmp_path / "video.mp4", matrix=matrix)
    images, metadata = read(path)
    assert [read_number(image) for image in images] == list(range(10))
    (warning,) = metadata.warnings
    assert warning.startswith("orientation: the display matrix (")
    assert trusted_packets(path) is None


def test_an_angle_that_is_almost_right_is_right(tmp_path: Path) -> None:
    path = write(tmp_path / "video.mp4", matrix=(0.0003, 1.0001, -0.9999, 0))
    images, metadata = read(path)
    assert images[0].size == (180, 300)
    assert metadata.warnings == []


def test_a_rotation_may_change_within_a_file(tmp_path: Path) -> None:
    frames = []
    for name, matrix in (
        ("a", (0, 1, -1, 0)),
        ("b", (-1, 0, 0, 1)),
        ("c", (1, 0, 0, 1)),
    ):
        with av.open(str(write(tmp_path / f"{name}.mp4", matrix=matrix))) as container:
            frames.append(next(container.decode(video=0)))
    with av.open(str(tmp_path / "a.mp4")) as container:
        display_of = DisplayReader(container.streams.video[0])
        sizes = [display_of(frame).size(frame) for frame in frames]
        transposes = [display_of(frame).transpose for frame in frames]
    assert sizes == [(180, 300), (300, 180), (300, 180)]
    assert transposes == [Image.Transpose.ROTATE_270, Image.Transpose.FLIP_LEFT_RIGHT, None]


@pytest.mark.parametrize(
    ("pixel_aspect", "size", "width"),
    [
        (Fraction(64, 45), (720, 576), 1024),  # PAL 16:9
        (Fraction(16, 15), (720, 576), 768),  # PAL 4:3
        (Fraction(32, 27), (720, 480), 853),  # NTSC 16:9, rounded down
        (Fraction(40, 33), (352, 288), 427),  # rounded up
        (Fraction(8, 9), (720, 480), 640),  # NTSC 4:3, narrower than stored
        (Fraction(1, 2), (320, 180), 160),
    ],
)
def test_pixels_are_square(
    pixel_aspect: Fraction, size: tuple[int, int], width: int, tmp_path: Path
) -> None:
    path = write(tmp_path / "video.mkv", pixel_aspect=pixel_aspect, size=size)
    images, metadata = read(path)
    assert (metadata.width, metadata.height) == (width, size[1])
    for number, image in enumerate(images):
        assert image.size == (width, size[1])
        assert read_number(image.resize(size)) == number
    assert trusted_packets(path) is None


@pytest.mark.parametrize("matrix", [(1, 0, 0, 1), (0, 1, 1, 0), (0, 1, -1, 0)])
def test_the_decoders_scaler_is_asked_in_shown_sizes(
    matrix: tuple[int, int, int, int], tmp_path: Path
) -> None:
    path = write(tmp_path / "video.mp4", matrix=matrix, pixel_aspect=Fraction(4, 3))
    asked = set()

    def scaled(width: int, height: int) -> tuple[int, int]:
        asked.add((width, height))
        return CENTER.scaled_size(width, height)

    whole, metadata = read(path)
    small, _ = read(path, scaled)
    assert asked == {(metadata.width, metadata.height)}
    for one, other in zip(small, whole, strict=True):
        assert one.size == CENTER.scaled_size(*other.size)
        away = np.asarray(one, int) - np.asarray(other.resize(one.size, Image.Resampling.BICUBIC))
        assert np.abs(away).mean() < 4


def test_television_switches_between_shapes(tmp_path: Path) -> None:
    parts = [
        write(
            tmp_path / f"{first}.ts",
            pixel_aspect=aspect,
            size=(720, 576),
            codec="mpeg2video",
            first=first,
        )
        for first, aspect in ((0, Fraction(64, 45)), (10, Fraction(16, 15)))
    ]
    path = tmp_path / "both.ts"
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    images, metadata = read(path)
    widths = [image.width for image in images]
    # The codec knows of the change when it takes the key frame, one frame before it gives it.
    assert widths[:9] == [1024] * 9
    assert widths[-9:] == [768] * 9
    assert (metadata.width, metadata.height) == (1024, 576)


def test_the_containers_shape_counts_before_the_codecs(tmp_path: Path) -> None:
    path = write(tmp_path / "video.mp4", pixel_aspect=Fraction(4, 3))
    data = path.read_bytes()
    at = data.index(b"pasp") + 4
    path.write_bytes(data[:at] + bytes([0, 0, 0, 2, 0, 0, 0, 1]) + data[at + 8 :])
    assert read(path)[1].width == 600


def _frames(path: Path) -> Iterator[av.VideoFrame]:
    with av.open(str(path)) as container:
        yield from container.decode(video=0)


def test_side_data_is_read_once_for_each_rotation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It holds its frame in a circle, so that pictures would pile up in memory."""
    path = write(tmp_path / "video.mp4", matrix=(0, 1, 1, 0))
    matrix = display._matrix
    read_of = []

    def noted(frame: av.VideoFrame) -> Sequence[float]:
        read_of.append(frame.pts)
        return matrix(frame)

    monkeypatch.setattr(display, "_matrix", noted)
    read(path)
    assert len(read_of) == 1


def test_a_display_without_anything_changes_no_bit(tmp_path: Path) -> None:
    for frame in _frames(write(tmp_path / "video.mp4")):
        plain = frame.to_ndarray(format="rgb24", interpolation="BICUBIC", threads=1)
        assert (np.asarray(Display().picture(frame, None)) == plain).all()
