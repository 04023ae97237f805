"""The reference decoder: what it tells of a file beside the right frames (tests/test_video.py)."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import decord
import numpy as np
import pytest
from PIL import Image, ImageChops

from index.decoding import pyav_decoder
from index.decoding.frame_types import Frame, VideoMetadata, sample_times
from index.decoding.pyav_decoder import decode_pyav
from index.errors import VideoError
from tests.truths import Generated, drain
from tests.videos import draw, read_number

SIZE = (320, 180)  # decord makes four channels of some smaller widths, turned or not


def write(
    path: Path, pts: list[int], time_base: Fraction, *, rotation: int = 0, rate: int = 25
) -> Path:
    """A video of frames numbered by their place, each one tick long."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(
            "libx264", rate=rate, options={"g": "12", "bf": "0", "preset": "ultrafast"}
        )
        stream.width, stream.height = SIZE
        stream.codec_context.time_base = time_base
        if rotation:
            stream.set_display_rotation(rotation)
        for number, at in enumerate(pts):
            frame = av.VideoFrame.from_image(draw(number, *SIZE))
            frame.pts, frame.time_base = at, time_base
            for packet in stream.encode(frame):
                packet.duration = 1
                container.mux(packet)
        for packet in stream.encode(None):
            packet.duration = 1
            container.mux(packet)
    return path


def read_all(path: Path, fps: float = 2.0) -> tuple[list[Frame], VideoMetadata]:
    return drain(decode_pyav(path, sample_times(fps), None, False))


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts"])
@pytest.mark.parametrize(("start", "count"), [(35, 75), (20, 100), (0, 25), (2, 125)])
def test_whole_seconds_are_whole(start: int, count: int, suffix: str, tmp_path: Path) -> None:
    pts = list(range(start, start + count))
    path = write(tmp_path / f"video{suffix}", pts, Fraction(1, 25))
    frames, clip = read_all(path)
    assert clip.duration_s == count / 25
    assert len(frames) == round(2 * clip.duration_s)  # no row for the end itself


@pytest.mark.parametrize(
    ("kind", "warnings"),
    [
        ("b_frames", []),
        ("late_start_mkv", []),
        ("mpegts_wrap", []),
        ("cut", ["damaged: 1 packets", r"truncated: 1\.9 s are missing at the end"]),
        ("damaged", ["damaged: 3 packets"]),
    ],
)
def test_warnings_say_what_is_wrong(kind: str, warnings: list[str], generated: Generated) -> None:
    _, clip = read_all(generated(kind)[0])
    assert len(clip.warnings) == len(warnings)
    for warning, expected in zip(clip.warnings, warnings, strict=True):
        assert warning.startswith(expected.replace("\\", ""))


def test_frames_that_go_back_in_time_are_left_out_and_told(
    monkeypatch: pytest.MonkeyPatch, generated: Generated
) -> None:
    path, _ = generated("constant")
    # A container cannot hold such packets, so a frame of a good one is moved.
    decoded = pyav_decoder._Shown._decoded

    def disturbed(self: pyav_decoder._Shown, *args: object) -> Iterator[av.VideoFrame]:
        for frame in decoded(self, *args):  # type: ignore[arg-type]  # handed through
            if frame.pts == 5 * 512:
                frame.pts = 2 * 512
            yield frame

    monkeypatch.setattr(pyav_decoder._Shown, "_decoded", disturbed)
    frames, clip = read_all(path, fps=25.0)
    numbers = [read_number(frame.image) for frame in frames]
    assert numbers[3:7] == [3, 4, 4, 6]
    assert clip.warnings == ["disordered: 1 frames do not advance in time"]


@pytest.mark.parametrize("degrees", [90, -90, 180])
def test_rotated_pictures_are_upright_as_decord_shows_them(degrees: int, tmp_path: Path) -> None:
    path = write(tmp_path / "video.mp4", list(range(10)), Fraction(1, 25), rotation=degrees)
    frames, clip = read_all(path, fps=5.0)
    upright = decord.VideoReader(str(path), num_threads=1)
    for frame, row in zip(frames, (0, 5), strict=True):
        assert (np.asarray(frame.image) == upright[row].asnumpy()).all()
        assert frame.image.size == (clip.width, clip.height)
    drawn = frames[1].image.rotate(-degrees, expand=True)
    assert read_number(drawn) == 5
    assert drawn.size == SIZE
    red, _, blue = drawn.getpixel((4, 90))  # type: ignore[misc]  # RGB
    assert red > 200 > 50 > blue


@pytest.mark.parametrize("degrees", [0, 90, 180])
def test_the_decoders_scaler_is_asked_in_upright_sizes(degrees: int, tmp_path: Path) -> None:
    path = write(tmp_path / "video.mp4", list(range(10)), Fraction(1, 25), rotation=degrees)
    asked = []

    def half(width: int, height: int) -> tuple[int, int]:
        asked.append((width, height))
        return width // 2, height // 2

    full, clip = read_all(path, fps=5.0)
    small, _ = drain(decode_pyav(path, sample_times(5.0), half, False))
    assert set(asked) == {(clip.width, clip.height)}
    for one, other in zip(small, full, strict=True):
        assert one.image.size == half(*other.image.size)
        away = ImageChops.difference(
            one.image, other.image.resize(one.image.size, Image.Resampling.BICUBIC)
        )
        assert np.asarray(away).mean() < 6


def test_real_clips_decode_to_their_end(clips: Path) -> None:
    paths = sorted((clips / "videos").iterdir())
    assert len(paths) == 12
    for path in paths:
        frames, clip = read_all(path)
        assert clip.warnings == []
        assert len(frames) >= 1
        assert frames[-1].time_s < clip.duration_s
        assert {frame.image.size for frame in frames} == {(clip.width, clip.height)}


def test_broken_clips_are_refused_or_read_with_a_warning(clips: Path) -> None:
    told = {}
    for path in sorted((clips / "broken").iterdir()):
        try:
            told[path.name] = read_all(path)[1].warnings
        except VideoError as error:
            told[path.name] = [str(error)]
    assert len(told) == 3
    assert told["mp4parse_invalid_userdata.mp4"] == [
        "no frame of it can be decoded: it holds no picture"
    ]
    assert told["mp4parse_no_timescale.mp4"][0].startswith("damaged: 12 packets")
    assert told["mp4parse_zero_empty_stsc.mp4"][0].startswith("no frame of it can be decoded: Inv")
