"""Jumping clocks and containers without presentation times, against the numbers drawn in."""

from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.video.stream import VideoStream
from hypothesis import given
from hypothesis import strategies as st

from index.decoding.clock import (
    ClockFaults,
    OtherStreams,
    TimedFrame,
    in_order_of_time,
    on_one_clock,
)
from index.decoding.decord_decoder import decode_decord
from index.decoding.display import Display
from index.decoding.frame_types import Frame, VideoMetadata, each_of
from index.decoding.pyav_decoder import decode_pyav
from tests.truths import drain, shown_at
from tests.videos import VP9, draw, read_number

TICKS = Fraction(1, 1000)
SIZE = (128, 96)
PICTURE = av.VideoFrame(16, 16, "gray")


def frames_of(times: Sequence[int], length: int = 40) -> list[TimedFrame]:
    return [TimedFrame(time, length, PICTURE, Display()) for time in times]


def clocked(
    times: Sequence[int], *, jumps: bool = True, length: int = 40
) -> tuple[list[int], ClockFaults]:
    faults = ClockFaults()
    shown = on_one_clock(frames_of(times, length), TICKS, faults, lambda end: jumps)
    return [frame.pts for frame in shown], faults


@given(st.lists(st.integers(0, 10**7), unique=True).map(sorted))
def test_a_clock_that_goes_on_is_left_alone(times: list[int]) -> None:
    shown, faults = clocked(times, jumps=False)
    assert shown == times
    assert faults == ClockFaults()


@given(st.lists(st.integers(0, 10**6), max_size=30), st.booleans(), st.sampled_from([0, 40]))
def test_whatever_comes_the_shown_times_ascend(times: list[int], jumps: bool, length: int) -> None:
    shown, faults = clocked(times, jumps=jumps, length=length)
    assert all(a < b for a, b in pairwise(shown))
    assert len(shown) + faults.disordered == len(times)


recordings = st.lists(st.tuples(st.integers(0, 10**6), st.integers(2, 30)), min_size=1, max_size=5)


@given(recordings, st.booleans())
def test_joined_recordings_follow_each_other(parts: list[tuple[int, int]], jumps: bool) -> None:
    times = [start + 40 * number for start, count in parts for number in range(count)]
    shown, faults = clocked(times, jumps=jumps)
    expected, steps = [0], []
    for before, after in pairwise(times):
        step = after - before
        # A step back of 0.1 s or less, or forward by up to 10 s, is no jump.
        if step < -100 or (step > 10_040 and jumps):
            steps.append(step - 40)
            step = 40
        expected.append(expected[-1] + step)
    if all(a < b for a, b in pairwise(expected)):
        assert [time - shown[0] for time in shown] == expected
        assert (faults.disordered, faults.jumps) == (0, steps)


@pytest.mark.parametrize("stray", [0, 50, 10**6, -(10**6)])
def test_one_frame_alone_off_the_clock_moves_no_other(stray: int) -> None:
    times = [1000, 1040, 1080, stray, 1120, 1160]
    shown, faults = clocked(times)
    assert shown == [1000, 1040, 1080, 1120, 1160]
    assert (faults.disordered, faults.jumps) == (1, [])


def test_stale_frames_at_the_start() -> None:
    shown, faults = clocked([0, 40, 3_600_000, 3_600_040, 3_600_080])
    assert shown == [0, 40, 80, 120, 160]
    assert faults.jumps == [3_599_920]
    assert clocked([0, 40, 3_600_000, 3_600_040], jumps=False)[0] == [0, 40, 3_600_000, 3_600_040]


@given(st.lists(st.integers(0, 16), min_size=1, max_size=60), st.data())
def test_times_are_dealt_out_in_order(gaps: list[int], data: st.DataObject) -> None:
    """A decoder that holds back up to 15 frames: each has the time of another one."""
    times = np.cumsum(gaps).tolist()
    labels = list(times)
    for start in range(0, len(labels), 16):
        labels[start : start + 16] = data.draw(st.permutations(labels[start : start + 16]))
    assert [frame.pts for frame in in_order_of_time(frames_of(labels))] == times


def test_a_step_back_that_no_decoder_makes_stays_one() -> None:
    times = [*range(1000, 1040), *range(40)]
    assert [frame.pts for frame in in_order_of_time(frames_of(times))] == times


@pytest.mark.parametrize(
    ("heard", "goes_on"),
    [
        ([n / 10 for n in range(1000)], True),  # sound all the while
        ([*(n / 10 for n in range(301)), *(90 + n / 10 for n in range(300))], False),  # jumps too
        ([n / 10 for n in range(301)], False),  # ends there
        ([n * 7.0 for n in range(20)], False),  # subtitles now and then
        ([], False),
    ],
)
def test_sound_that_goes_on_tells_a_still(heard: list[float], goes_on: bool) -> None:
    others = OtherStreams()
    for time_s in heard:
        others.heard(1, time_s)
    assert others.go_on(30.0) is goes_on


def write(
    path: Path,
    numbers: Sequence[int],
    times_ms: Sequence[int] | None = None,
    *,
    codec: str = "libx264",
    options: dict[str, str] | None = None,
    sound_s: Sequence[tuple[float, float]] = (),
    muxer: str | None = None,
    restamp: Callable[[int, int], tuple[int, int]] | None = None,
) -> Path:
    """A video of numbered frames at times in ms, 25 a second where none are given.

    sound_s: stretches with sound. restamp: from a packet's pts and dts to those that are muxed.
    """
    times = [40 * place for place in range(len(numbers))] if times_ms is None else times_ms
    options = {"g": "12", "preset": "ultrafast", "threads": "1"} if options is None else options
    ticks = TICKS if any(time % 40 for time in times) else Fraction(1, 25)
    with av.open(str(path), "w", format=muxer) as container:
        stream = container.add_stream(codec, rate=25, options=options)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height = SIZE
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = ticks
        sound = container.add_stream("mp2", rate=48000) if sound_s else None
        packets: list[Any] = []
        for number, time in zip(numbers, times, strict=True):
            frame = av.VideoFrame.from_image(draw(number, *SIZE))
            frame.pts, frame.time_base = round(time * TICKS / ticks), ticks
            packets += stream.encode(frame)
        packets += stream.encode(None)
        for packet in packets:
            assert packet.pts is not None
            assert packet.dts is not None
            if restamp:
                packet.pts, packet.dts = restamp(packet.pts, packet.dts)
        both: list[tuple[float, Any]] = [(float(p.dts * p.time_base), p) for p in packets]
        if sound is not None:
            for start_s, end_s in sound_s:
                for sample in range(round(start_s * 48000), round(end_s * 48000), 1152):
                    silence = av.AudioFrame.from_ndarray(
                        np.zeros((1, 2304), np.int16), "s16", "stereo"
                    )
                    silence.sample_rate, silence.pts = 48000, sample
                    silence.time_base = Fraction(1, 48000)
                    both += [((p.dts or 0) / 48000, p) for p in sound.encode(silence)]
        for _, packet in sorted(both, key=lambda one: one[0]):
            container.mux(packet)
    return path


def shown(path: Path, times_s: Sequence[float]) -> tuple[list[int], VideoMetadata]:
    """The numbers shown at the times, and what is told of the file."""
    frames, metadata = drain(decode_pyav(path, each_of(times_s), None, False))
    at_times = shown_at(frames, times_s, metadata.duration_s)
    return [read_number(frame.image) for frame in at_times], metadata


def middles(count: int, fps: float = 25.0) -> list[float]:
    return [(number + 0.5) / fps for number in range(count)]


B_FRAMES = {"g": "12", "bf": "2", "preset": "veryfast", "threads": "1"}
JOINED = [
    (".ts", "libx264", B_FRAMES, None),
    (".ts", "mpeg2video", {"g": "12", "b": "4M"}, None),
    (".m2ts", "libx265", {"preset": "ultrafast", "x265-params": "log-level=none"}, None),
    (".mpg", "mpeg2video", {"g": "12", "b": "4M"}, None),
    (".vob", "mpeg2video", {"g": "12", "b": "4M", "bf": "2"}, "vob"),
    (".mkv", "libx264", B_FRAMES, None),
    (".webm", "libvpx-vp9", VP9, None),
    (".avi", "mpeg4", {"g": "12", "b": "4M"}, None),
]


@pytest.mark.parametrize(
    ("suffix", "codec", "options", "muxer"), JOINED, ids=[f"{s}-{c}" for s, c, _, _ in JOINED]
)
def test_recordings_joined_by_cat_are_one_timeline(
    suffix: str, codec: str, options: dict[str, str], muxer: str | None, tmp_path: Path
) -> None:
    count = 2 if suffix in (".mkv", ".webm") else 3  # libavformat reads no third one there
    parts = [
        write(
            tmp_path / f"{start}{suffix}",
            range(start, start + 40),
            codec=codec,
            options=options,
            muxer=muxer,
        )
        for start in range(0, 40 * count, 40)
    ]
    path = tmp_path / f"joined{suffix}"
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    numbers, metadata = shown(path, middles(40 * count))
    assert numbers == list(range(40 * count))
    assert metadata.duration_s == pytest.approx(1.6 * count, abs=0.005)
    jumps = f"clock: it jumps {count - 1} times, {1.6 * (count - 1):.1f} s in all"
    told = [warning for warning in metadata.warnings if warning.startswith(jumps)]
    assert len(told) == len(metadata.warnings) == (suffix != ".avi")  # AVI counts its frames


def test_a_recording_that_starts_with_stale_times(tmp_path: Path) -> None:
    times = [*range(0, 200, 40), *range(3_600_000, 3_602_000, 40)]
    path = write(tmp_path / "stale.ts", range(55), times)
    numbers, metadata = shown(path, middles(55))
    assert numbers == list(range(55))
    assert metadata.warnings == [
        "clock: it jumps 1 times, 3599.8 s in all; the timeline goes on without a hole"
    ]
    assert metadata.duration_s == pytest.approx(2.2)


STILL = ([0, 40, 80, 60_000, 60_040, 60_080], [0.02, 0.06, 0.1, 30.0, 59.9, 60.02, 60.06, 60.1])


@pytest.mark.parametrize(
    ("suffix", "sound_s", "is_still"),
    [
        (".mkv", [], True),
        (".mp4", [], True),
        (".mov", [(0, 1), (60, 61)], True),
        (".ts", [], False),
        (".ts", [(0, 1), (60, 61)], False),
        (".ts", [(0, 61)], True),
        (".m2ts", [(0, 61)], True),
    ],
)
def test_a_real_still_is_told_from_a_jump(
    suffix: str, sound_s: list[tuple[float, float]], is_still: bool, tmp_path: Path
) -> None:
    times, asked_s = STILL
    path = write(
        tmp_path / f"a{suffix}",
        range(6),
        times,
        options={"bf": "0", "g": "12"},
        sound_s=sound_s,
    )
    if is_still:
        numbers, metadata = shown(path, asked_s)
        assert numbers == [0, 1, 2, 2, 2, 3, 4, 5]
        assert metadata.warnings == []
    else:
        numbers, metadata = shown(path, middles(6))
        assert numbers == list(range(6))
        assert len(metadata.warnings) == 1
        assert "jumps 1 times, 59.9 s in all" in metadata.warnings[0]


def test_a_screen_recording_of_two_hours_stays_as_it_is(tmp_path: Path) -> None:
    path = write(tmp_path / "slides.mkv", range(4), [0, 3_600_000, 3_601_000, 7_200_000])
    numbers, metadata = shown(path, [10.0, 3599.0, 3600.5, 5000.0, 7200.01])
    assert numbers == [0, 0, 1, 2, 3]
    assert metadata.warnings == []


def without_pts(pts: int, dts: int) -> tuple[int, int]:
    """Stamps of a container that has times of decoding alone, none of them before the start."""
    return dts + 5, dts + 5


PYRAMID = B_FRAMES | {"bf": "5", "x264-params": "b-pyramid=normal:scenecut=0"}


@pytest.mark.parametrize(
    ("name", "options", "restamp"),
    [
        ("a.avi", B_FRAMES, None),
        ("b.avi", PYRAMID, None),
        ("c.avi", {"bf": "0", "g": "12"}, None),
        ("a.asf", B_FRAMES, None),
        ("b.wmv", PYRAMID, None),
        ("a.mp4", B_FRAMES, without_pts),
        ("b.mov", PYRAMID, without_pts),
        ("c.mkv", B_FRAMES, None),  # has presentation times
    ],
)
def test_frames_without_presentation_times_come_in_the_decoders_order(
    name: str,
    options: dict[str, str],
    restamp: Callable[[int, int], tuple[int, int]] | None,
    tmp_path: Path,
) -> None:
    path = write(tmp_path / name, range(100), options=options, restamp=restamp)
    numbers, metadata = shown(path, middles(100))
    assert numbers == list(range(100))
    assert metadata.warnings == []
    assert metadata.duration_s == pytest.approx(4, abs=0.002)
    if restamp:  # decord, which counts frames, agrees
        frames, _ = drain(decode_decord(path, each_of(middles(100)), None, False))
        assert [read_number(frame.image) for frame in frames] == list(range(100))


def test_a_frame_knows_its_end_across_a_jump(tmp_path: Path) -> None:
    for start in (0, 25):
        write(tmp_path / f"{start}.ts", range(start, start + 25))
    path = tmp_path / "joined.ts"
    path.write_bytes((tmp_path / "0.ts").read_bytes() + (tmp_path / "25.ts").read_bytes())
    frames: list[Frame]
    frames, _ = drain(decode_pyav(path, each_of(middles(50)), None, False))
    for frame, following in pairwise(frames):
        assert frame.end_s == following.time_s
