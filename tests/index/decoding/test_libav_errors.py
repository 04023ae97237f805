"""Damage that libav only logs becomes one warning of that file, and of no other."""

import tracemalloc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import islice, zip_longest
from pathlib import Path

import av
import numpy as np
import pytest

from index.decoding import reading
from index.decoding.decoders import frames_at, read
from index.decoding.frame_types import Frame, VideoMetadata, every
from index.decoding.libav_errors import LibavErrors, _here
from tests.truths import INTACT, Generated, drain
from tests.videos import B_FRAMES, MPEG4, Recipe, write

X265 = {"preset": "ultrafast", "x265-params": "log-level=none:pools=none:frame-threads=1:hash=1"}
DAMAGED = "damaged: the decoder reports 6 errors, first: h264: P sub_mb_type 9 out of range at 19 7"


def read_all(path: Path, fps: float = 2.0) -> tuple[list[Frame], VideoMetadata]:
    return drain(read(path, every(fps), decoder="pyav"))


def reported(path: Path) -> list[str]:
    """The warnings about what libav logs."""
    return [w for w in read_all(path)[1].warnings if w.startswith("damaged: the decoder reports")]


@pytest.mark.parametrize("kind", INTACT)
def test_intact_files_are_decoded_as_ever_and_without_a_warning(
    kind: str, generated: Generated, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, _ = generated(kind)
    frames, clip = read_all(path, fps=5.0)
    assert clip.warnings == []
    monkeypatch.setattr(reading, "ERROR_DETECTION", {})
    for one, other in zip_longest(frames, read_all(path, fps=5.0)[0]):
        assert one.time_s == other.time_s
        assert (np.asarray(one.image) == np.asarray(other.image)).all()


def test_what_libav_logs_is_told_each_time_and_not_on_stderr(
    generated: Generated, capfd: pytest.CaptureFixture[str]
) -> None:
    path, _ = generated("damaged_pictures")
    # Of equal lines in a row PyAV would hand on the first only.
    assert [reported(path) for _ in range(2)] == [[DAMAGED]] * 2
    list(frames_at(path, [3.9], decoder="pyav"))
    assert capfd.readouterr() == ("", "")


def test_files_that_are_read_by_turns_keep_to_their_own_errors(generated: Generated) -> None:
    damaged, intact = generated("damaged_pictures")[0], generated("b_frames")[0]
    streams = [read(path, every(25.0)) for path in (damaged, intact, damaged)]
    warnings: list[list[str]] = [[], [], []]
    for _ in range(101):
        for number, stream in enumerate(streams):
            try:
                next(stream)
            except StopIteration as end:
                if end.value is not None:  # the damaged ones have fewer frames, and are over
                    warnings[number] = end.value.warnings
            assert _here.errors is None
    assert [DAMAGED in told for told in warnings] == [True, False, True]
    assert warnings[1] == []


def test_threads_keep_to_their_own_errors(generated: Generated) -> None:
    paths = [generated("damaged_pictures")[0], generated("b_frames")[0]] * 8
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(reported, paths)) == [[DAMAGED], []] * 8


def test_a_reading_that_is_given_up_listens_no_longer(generated: Generated) -> None:
    with closing(read(generated("damaged_pictures")[0], every(25.0))) as frames:
        assert len(list(islice(frames, 40))) == 40
    assert _here.errors is None


def test_many_errors_are_one_short_line() -> None:
    errors = LibavErrors()
    errors.add("matroska", "0x00 at pos 5\n" + "\x1b[31m\u2028\udc80" * 10**5)
    tracemalloc.start()
    for number in range(10**5):
        errors.add("matroska", f"0x00 at pos {number}" + "x" * 1000)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 10**5
    (warning,) = errors.warnings(0)
    assert "reports 100001 errors, first: matroska: 0x00 at pos 5 " in warning
    assert warning.isprintable()
    assert len(warning) < 240


def test_addresses_are_left_out() -> None:
    errors = LibavErrors()
    errors.add("h264", "[hevc @ 0x55d0c8a0] tag 0x47 of 0x7ffe12345678 is odd")
    (warning,) = errors.warnings(0)
    assert warning.endswith("first: h264: [hevc ] tag 0x47 of is odd")


def cut(path: Path, source: Path, first: int) -> Path:
    """The packets of a video from the given one on, as a recording that is joined late."""
    with av.open(source) as whole, av.open(path, "w") as part:
        stream = part.add_stream_from_template(whole.streams.video[0])
        for packet in islice((p for p in whole.demux(video=0) if p.size), first, None):
            packet.stream = stream
            part.mux(packet)
    return path


@pytest.mark.parametrize(
    ("kind", "suffix"),
    [
        *(("mpegts", ".ts"), ("mpegts", ".mkv"), ("open_gop", ".mkv"), ("open_gop", ".mp4")),
        *(("hevc_open_gop", ".ts"), ("hevc_open_gop", ".mkv")),
    ],
)
def test_a_recording_may_begin_between_two_key_frames(
    kind: str, suffix: str, generated: Generated, tmp_path: Path
) -> None:
    for first in (1, 5, 11, 12, 13):
        part = cut(tmp_path / f"{first}{suffix}", generated(kind)[0], first)
        assert read_all(part)[1].warnings == []


def test_pictures_without_their_key_frame_are_told_where_they_are_shown(
    generated: Generated, tmp_path: Path
) -> None:
    part = cut(tmp_path / "part.mkv", generated("avi")[0], 5)
    (warning,) = reported(part)
    assert warning.endswith("1 errors, first: mpeg4: warning: first frame is no keyframe")


@pytest.mark.parametrize("following", ["mpegts", "mpegts_sound", "mpegts_wrap"])
def test_recordings_joined_by_cat_are_not_damaged(
    following: str, generated: Generated, tmp_path: Path
) -> None:
    path = tmp_path / "joined.ts"
    parts = [generated(kind)[0].read_bytes() for kind in ("mpegts", following)]
    path.write_bytes(b"".join(parts))
    assert reported(path) == []


def write_small(path: Path, codec: str, options: dict[str, str]) -> Path:
    write(path, Recipe(path.suffix, codec, options, tuple(range(30)), size=(128, 96)))
    return path


def packets_of(path: Path) -> Iterator[tuple[int, int]]:
    with av.open(path) as container:
        for packet in container.demux(video=0):
            if packet.size:
                yield packet.pos or 0, packet.size


def test_a_checksum_of_a_picture_is_checked(tmp_path: Path) -> None:
    path = write_small(tmp_path / "video.mp4", "libx265", X265)
    assert reported(path) == []
    data = bytearray(path.read_bytes())
    position, size = list(packets_of(path))[10]
    data[position + size - 8] ^= 1  # in the last slice's data, or in the checksum behind it
    path.write_bytes(data)
    (warning,) = reported(path)
    assert "first: hevc: Verifying checksum for frame with POC 10: " in warning


@pytest.mark.parametrize(("codec", "options"), [("libx264", B_FRAMES), ("mpeg2video", MPEG4)])
def test_a_packet_of_a_transport_stream_that_is_missing_is_told(
    codec: str, options: dict[str, str], tmp_path: Path
) -> None:
    path = write_small(tmp_path / "video.ts", codec, options)
    data = path.read_bytes()
    middle = len(data) // 2 // 188 * 188
    path.write_bytes(data[:middle] + data[middle + 188 :])
    assert len(reported(path)) == 1
