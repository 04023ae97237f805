"""The video stream that a player takes, among covers, empty streams and further ones."""

from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import av
import pytest
from av.stream import Disposition
from av.video.stream import VideoStream

from index.decoding.decord_decoder import trusted_packets
from index.decoding.frame_types import VideoMetadata, every
from index.decoding.pyav_decoder import decode_pyav
from index.decoding.stream_choice import video_stream
from index.errors import VideoError
from tests.truths import drain
from tests.videos import draw, read_number


class Part(NamedTuple):
    """A stream of a file: its frames carry numbers from `first` on."""

    first: int
    frames: int = 50
    codec: str = "libx264"
    bit_rate: int = 200_000
    default: bool = True
    side: int = 128


def write(path: Path, parts: list[Part]) -> Path:
    """A file with these video streams, in this order, at 25 frames a second."""
    with av.open(str(path), "w") as container:
        streams = []
        for part in parts:
            options = {"preset": "ultrafast"} if part.codec == "libx264" else {}
            stream = container.add_stream(part.codec, rate=25, options=options)
            assert isinstance(stream, VideoStream)
            stream.width = stream.height = part.side
            stream.pix_fmt = {"mjpeg": "yuvj420p", "png": "rgb24"}.get(part.codec, "yuv420p")
            stream.bit_rate = part.bit_rate
            stream.disposition = Disposition.default if part.default else Disposition(0)
            streams.append(stream)
        for number in range(max(part.frames for part in parts)):
            for part, stream in zip(parts, streams, strict=True):
                if number < part.frames:
                    picture = draw(part.first + number, part.side, part.side)
                    frame = av.VideoFrame.from_image(picture)
                    frame.pts, frame.time_base = number, Fraction(1, 25)
                    container.mux(stream.encode(frame))
        for stream in streams:
            container.mux(stream.encode(None))
    return path


def shown(path: Path) -> tuple[list[int], VideoMetadata]:
    frames, metadata = drain(decode_pyav(path, every(5.0), None, False))
    return [read_number(frame.image) for frame in frames], metadata


@pytest.mark.parametrize(
    ("suffix", "codec"), [(".mp4", "mjpeg"), (".mp4", "png"), (".mov", "png"), (".mkv", "mjpeg")]
)
@pytest.mark.parametrize("default", [True, False])
def test_a_cover_that_is_not_marked_is_left_out(
    suffix: str, codec: str, default: bool, tmp_path: Path
) -> None:
    parts = [
        Part(900, frames=1, codec=codec, bit_rate=9_000_000, default=default),
        Part(0, default=not default),
    ]
    numbers, metadata = shown(write(tmp_path / f"video{suffix}", parts))
    assert numbers == list(range(0, 50, 5))
    (warning,) = metadata.warnings
    assert warning == (
        f"streams: stream 1 (h264 128 x 128) is taken; left out: stream 0 ({codec} 128 x 128)"
    )


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts"])
def test_a_stream_without_packets_is_left_out(suffix: str, tmp_path: Path) -> None:
    path = write(tmp_path / f"video{suffix}", [Part(900, frames=0), Part(0)])
    numbers, metadata = shown(path)
    assert numbers == list(range(0, 50, 5))
    assert len(metadata.warnings) <= 1  # not every container mentions such a stream


def test_the_default_flag_counts_before_the_bit_rate(tmp_path: Path) -> None:
    parts = [Part(900, default=False, bit_rate=2_000_000, side=256), Part(0)]
    path = write(tmp_path / "video.mkv", parts)
    assert shown(path)[0][:2] == [0, 5]


def test_of_several_bit_rates_the_highest_is_taken(tmp_path: Path) -> None:
    parts = [Part(900, bit_rate=50_000), Part(0, bit_rate=2_000_000, side=256), Part(800)]
    numbers, metadata = shown(write(tmp_path / "video.mp4", parts))
    assert numbers[:2] == [0, 5]
    assert (metadata.width, len(metadata.warnings)) == (256, 1)
    assert "stream 0" in metadata.warnings[0]
    assert "stream 2" in metadata.warnings[0]


def test_one_picture_alone_is_a_video(tmp_path: Path) -> None:
    assert shown(write(tmp_path / "video.mp4", [Part(7, frames=1)]))[0] == [7]
    parts = [Part(900, frames=0), Part(7, frames=1)]
    assert shown(write(tmp_path / "two.mkv", parts))[0] == [7]


def test_several_streams_are_a_doubt_for_decord(tmp_path: Path) -> None:
    assert trusted_packets(write(tmp_path / "video.mp4", [Part(0), Part(900)])) is None


def test_an_unknown_codec_is_one_line(tmp_path: Path) -> None:
    path = write(tmp_path / "video.avi", [Part(0, codec="mpeg4")])
    path.write_bytes(path.read_bytes().replace(b"FMP4", b"QQQ0"))
    with pytest.raises(VideoError, match="no video stream with a known codec; convert it"):
        shown(path)


def test_a_cover_picture_is_no_video(tmp_path: Path) -> None:
    path = tmp_path / "song.mp4"
    with av.open(str(path), "w") as container:
        cover = container.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt = 64, 64, "yuvj420p"
        cover.disposition = Disposition.attached_pic
        for packet in [*cover.encode(av.VideoFrame(64, 64, "yuvj420p")), *cover.encode(None)]:
            container.mux(packet)
    with av.open(str(path)) as container:
        assert container.streams.video
        with pytest.raises(VideoError, match="no video stream"):
            video_stream(container)
