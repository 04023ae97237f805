"""The reference decoder: what it tells of a file beside the right frames (tests/test_videos.py)."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import decord
import numpy as np
import pytest
from av.video.stream import VideoStream
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageChops

from index.decoding import in_order
from index.decoding.frame_types import Frame, VideoMetadata, each_of, every
from index.decoding.in_order import decode_in_order
from index.errors import VideoError
from tests.truths import Generated, drain
from tests.videos import draw, read_number

_REPORTS = "damaged: the decoder reports "

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
    return drain(decode_in_order(path, every(fps), None, False))


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts"])
@pytest.mark.parametrize(("start", "count"), [(35, 75), (20, 100), (0, 25), (2, 125)])
def test_whole_seconds_are_whole(start: int, count: int, suffix: str, tmp_path: Path) -> None:
    pts = list(range(start, start + count))
    path = write(tmp_path / f"video{suffix}", pts, Fraction(1, 25))
    frames, clip = read_all(path)
    assert clip.duration_s == count / 25
    assert len(frames) == round(2 * clip.duration_s)  # no row for the end itself


def test_the_last_frames_of_a_second_stream_are_there(generated: Generated, tmp_path: Path) -> None:
    """PyAV's sign of the end has the number of no stream, and lets B-frames out."""
    with av.open(generated("sound")[0]) as source, av.open(tmp_path / "video.mp4", "w") as target:
        streams = [source.streams.audio[0], source.streams.video[0]]
        copies = {stream.index: target.add_stream_from_template(stream) for stream in streams}
        for packet in source.demux(streams):
            if packet.dts is not None:
                packet.stream = copies[packet.stream_index]
                target.mux(packet)
    frames, _ = read_all(tmp_path / "video.mp4", fps=25.0)
    assert [read_number(frame.image) for frame in frames] == list(range(100))


@pytest.mark.parametrize(
    ("kind", "warnings"),
    [
        ("b_frames", []),
        ("late_start_mkv", []),
        ("mpegts_wrap", []),
        ("cut", ["damaged: 1 packets", _REPORTS, r"truncated: 1\.9 s are missing at the end"]),
        ("damaged", ["damaged: 3 packets", _REPORTS]),
        ("damaged_pictures", ["damaged: 3 frames are marked corrupt", _REPORTS]),
    ],
)
def test_warnings_say_what_is_wrong(kind: str, warnings: list[str], generated: Generated) -> None:
    _, clip = read_all(generated(kind)[0])
    assert len(clip.warnings) == len(warnings)
    for warning, expected in zip(clip.warnings, warnings, strict=True):
        assert warning.startswith(expected.replace("\\", ""))


def test_the_last_whole_frame_stays_in_the_place_of_corrupt_ones(generated: Generated) -> None:
    path, truth = generated("damaged_pictures")
    frames, clip = read_all(path, fps=25.0)
    assert [frame.time_s for frame in frames[28:32]] == [1.12, 1.16, 1.32, 1.36]
    assert (frames[29].end_s, read_number(frames[29].image)) == (1.32, 29)
    assert clip.duration_s == truth.duration_s


class Marked:
    """A frame that the decoder marks as corrupt; PyAV gives no way to mark one."""

    is_corrupt = True

    def __init__(self, frame: av.VideoFrame) -> None:
        self.pts, self.duration, self.time_base = frame.pts, frame.duration, frame.time_base


def mark(monkeypatch: pytest.MonkeyPatch, numbers: set[int]) -> None:
    """Mark decoded frames as corrupt by their place."""
    decoded = in_order._decoded

    def marked(*args: object) -> Iterator[object]:
        for number, frame in enumerate(decoded(*args)):  # type: ignore[arg-type]  # handed on
            yield Marked(frame) if number in numbers else frame

    monkeypatch.setattr(in_order, "_decoded", marked)


@given(numbers=st.sets(st.integers(0, 99), max_size=99))
@settings(max_examples=20, deadline=None)
def test_time_counts_from_the_first_whole_frame_to_the_end_of_the_last(
    numbers: set[int], generated: Generated
) -> None:
    path, _ = generated("constant")
    whole = [number for number in range(100) if number not in numbers]
    with pytest.MonkeyPatch.context() as monkeypatch:
        mark(monkeypatch, numbers)
        frames, clip = read_all(path, fps=25.0)
    assert clip.duration_s == (100 - whole[0]) / 25
    assert clip.start_s == pytest.approx(whole[0] / 25)
    assert [read_number(frame.image) for frame in frames] == whole
    assert [frame.time_s for frame in frames] == [(number - whole[0]) / 25 for number in whole]
    assert len(clip.warnings) == bool(numbers)
    assert all(
        warning.startswith(f"damaged: {len(numbers)} frames are marked corrupt; the last whole")
        for warning in clip.warnings
    )


def test_a_video_without_a_whole_frame_is_refused(
    generated: Generated, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, _ = generated("constant")
    mark(monkeypatch, set(range(100)))
    with pytest.raises(VideoError, match="decoded: all 100 frames are marked corrupt"):
        read_all(path)


@pytest.mark.parametrize(
    ("suffix", "start_s"),
    [
        *((suffix, start_s) for suffix in (".mkv", ".nut", ".mp4") for start_s in (0, 7, 10**9)),
        *((suffix, start_s) for suffix in (".ts", ".flv") for start_s in (0, 7, 90_000)),
    ],
)
def test_a_file_that_starts_late_is_not_truncated(
    suffix: str, start_s: int, tmp_path: Path
) -> None:
    pts = list(range(start_s * 25, start_s * 25 + 75))
    _, clip = read_all(write(tmp_path / f"video{suffix}", pts, Fraction(1, 25)))
    assert clip.warnings == []
    assert clip.duration_s == pytest.approx(3, abs=0.05)
    assert clip.start_s == pytest.approx(0, abs=1e-3)


@pytest.mark.parametrize("start_s", [0, 7])
def test_a_late_matroska_that_is_cut_is_truncated(start_s: int, tmp_path: Path) -> None:
    pts = list(range(start_s * 25, start_s * 25 + 150))
    path = write(tmp_path / "video.mkv", pts, Fraction(1, 25))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    _, clip = read_all(path)
    assert any(warning.startswith("truncated: ") for warning in clip.warnings)


@pytest.mark.parametrize(
    ("suffix", "codec"), [(".wmv", "wmv2"), (".asf", "mpeg4"), (".gif", "gif")]
)
def test_an_only_frame_of_unknown_length_is_shown(suffix: str, codec: str, tmp_path: Path) -> None:
    path = tmp_path / f"video{suffix}"
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height = SIZE
        stream.pix_fmt = "rgb8" if codec == "gif" else "yuv420p"
        frame = av.VideoFrame.from_image(draw(3, *SIZE))
        frame.pts, frame.time_base = 0, Fraction(1, 25)
        container.mux([*stream.encode(frame), *stream.encode()])
    frames, clip = read_all(path)
    assert [read_number(frame.image) for frame in frames] == [3]
    assert 0 < clip.duration_s < 1


@pytest.mark.parametrize("length", [-1, 0, -(2**40)])
def test_frames_without_a_sensible_length_get_the_rates(
    length: int, generated: Generated, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, _ = generated("one_frame")
    decoded = in_order._decoded

    def shortened(*args: object) -> Iterator[av.VideoFrame]:
        for frame in decoded(*args):  # type: ignore[arg-type]  # handed through
            frame.duration = length
            yield frame

    monkeypatch.setattr(in_order, "_decoded", shortened)
    frames, clip = read_all(path)
    assert len(frames) == 1
    assert clip.duration_s == 0.04


def test_large_pictures_are_refused_before_they_are_decoded(
    generated: Generated, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, _ = generated("constant")
    assert drain(decode_in_order(path, each_of([0.0]), None, False, 320 * 180))[0]

    def never(*_: object) -> Iterator[av.VideoFrame]:
        raise AssertionError("a frame was decoded")

    monkeypatch.setattr(in_order, "_decoded", never)
    with pytest.raises(VideoError, match=r"^is 320 x 180, more than 57599 pixels; raise --max-pix"):
        drain(decode_in_order(path, each_of([0.0]), None, False, 320 * 180 - 1))


def test_frames_that_go_back_in_time_are_left_out_and_told(
    monkeypatch: pytest.MonkeyPatch, generated: Generated
) -> None:
    path, _ = generated("constant")
    # A container cannot hold such packets, so a frame of a good one is moved.
    decoded = in_order._decoded

    def disturbed(*args: object) -> Iterator[av.VideoFrame]:
        for frame in decoded(*args):  # type: ignore[arg-type]  # handed through
            if frame.pts == 5 * 512:
                frame.pts = 2 * 512
            yield frame

    monkeypatch.setattr(in_order, "_decoded", disturbed)
    frames, clip = read_all(path, fps=25.0)
    numbers = [read_number(frame.image) for frame in frames]
    assert numbers[3:7] == [3, 4, 6, 7]
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
    small, _ = drain(decode_in_order(path, every(5.0), half, False))
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
        # That one has two video streams, and both are marked as the default.
        assert [w.split(":")[0] for w in clip.warnings] == ["streams"] * (path.stem == "nasa_13013")
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
    matrix, damaged = told["mp4parse_no_timescale.mp4"][:2]
    assert matrix.startswith("orientation: the display matrix (0 0 0 0) is no right angle")
    assert damaged.startswith("damaged: 12 packets")
    assert told["mp4parse_zero_empty_stsc.mp4"][0].startswith("no frame of it can be decoded: Inv")
