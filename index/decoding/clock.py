"""The clock of a video: decoded frames get times that only go on, as players show them.

Joined recordings (`cat a.ts b.ts`, VOB, a camera that restarts) step back or jump forward in the
middle of the file. The rules are those by which FFmpeg's own command bridges jumps:

    back by more than 0.1 s         the next frame follows the one before, in every container
    forward by more than 10 s       the same in containers whose clock may jump (MPEG-TS, MPEG-PS,
                                    Ogg: libavformat's TS_DISCONT), unless another stream, such as
                                    the sound, goes on meanwhile: then it is a real still
    forward in any other container  a real still: MP4 and Matroska store how long a frame is shown,
                                    and a screen recording shows one for an hour
    one frame alone off the clock   is left out, and those after it stay where they are

Some containers store no presentation times (H.264 with B-frames in AVI or ASF, MP4 without
composition offsets): libavformat then hands out the packets' times of decoding. `in_order_of_time`
deals them out anew in the order in which the decoder gives the frames.

Times here are integers in ticks of the stream's time base.
"""

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from heapq import heappop, heappush
from itertools import pairwise
from typing import NamedTuple

from av.video.frame import VideoFrame

from index.decoding.display import Display

_STEP_BACK_S = Fraction(1, 10)
"""A smaller step back is disorder; FFmpeg's threshold."""
JUMP_S = 10
"""FFmpeg's dts_delta_threshold."""
DEEPEST_REORDER = 16
"""Frames that H.264 and HEVC may hold back at most."""
_STREAM_GAP_S = 1.0
"""Packets of sound come more often; those of a stream with a longer gap do not go on."""
_GOES_ON_S = 5.0
"""Half of the least jump: a stream that jumps as well has not come so far."""


class TimedFrame(NamedTuple):
    """A decoded frame with its time and length."""

    pts: int
    length: int
    """0 where the file does not tell."""
    frame: VideoFrame
    display: Display


@dataclass
class ClockFaults:
    """What was wrong with the clock of a file."""

    disordered: int = 0
    """Frames left out."""
    jumps: list[int] = field(default_factory=list)
    """Ticks by which the clock jumped, below 0 for back."""


def has_decoding_times_only(times: Sequence[int], reorders: bool) -> bool:
    """Return whether a stream has times of decoding where those of presentation should be.

    Args:
        times: Those of its first packets, in the order of the file.
        reorders: Whether the decoder holds frames back to put them in order (`has_b_frames`).
    """
    # True presentation times go back where a B-frame comes after the frame that it refers to.
    return reorders and all(a < b for a, b in pairwise(times))


def in_order_of_time(frames: Iterable[TimedFrame]) -> Iterator[TimedFrame]:
    """Give the frames' times out anew: ascending, in the order in which the frames come.

    Frames whose times ascend already keep them, and a step back that no decoder makes stays one.
    """
    held: deque[TimedFrame] = deque()
    times: list[int] = []
    given = -math.inf
    for frame in frames:
        while held and (frame.pts < given or len(held) == DEEPEST_REORDER):
            given = heappop(times)
            yield held.popleft()._replace(pts=int(given))
        if not held and frame.pts < given:
            given = -math.inf
        held.append(frame)
        heappush(times, frame.pts)
    while held:
        yield held.popleft()._replace(pts=heappop(times))


def on_one_clock(
    frames: Iterable[TimedFrame],
    ticks: Fraction,
    faults: ClockFaults,
    jumps_forward: Callable[[int], bool],
) -> Iterator[TimedFrame]:
    """Yield frames with ascending times, bridging the jumps of their clock.

    Args:
        frames: Frames in the order of the decoder.
        ticks: The time base: seconds per tick.
        faults: Filled in on the way.
        jumps_forward: Tells of a gap of more than 10 s after the end of a frame, in the file's own
            time, whether the clock has jumped there.
    """
    # Whole ticks: a fraction's arithmetic would cost as much as the rest of this loop.
    back, far = int(_STEP_BACK_S / ticks), int(JUMP_S / ticks)
    last: int | None = None  # a time, not a frame: pictures are let go as soon as may be
    length, shift = 0, 0
    for frame, after in _with_next_time(frames):
        if last is not None:
            alone = (
                after is not None
                and last < after <= last + length + far
                and not last < frame.pts <= after
            )
            step = frame.pts - last
            if alone or -back <= step <= 0:
                faults.disordered += 1
                continue
            jump = step - max(1, length)
            if step < 0 or (jump > far and jumps_forward(last + length)):
                faults.jumps.append(jump)
                shift -= jump
                step = length
            # Some MPEG-TS files lack the length of the last frame.
            length = frame.length or step
        else:
            length = frame.length
        last = frame.pts
        yield TimedFrame(frame.pts + shift, length, frame.frame, frame.display)


def _with_next_time(frames: Iterable[TimedFrame]) -> Iterator[tuple[TimedFrame, int | None]]:
    """Yield each frame with the time of the next one; the last with None."""
    held: TimedFrame | None = None
    for frame in frames:
        if held is not None:
            yield held, frame.pts
        held = frame
    if held is not None:
        yield held, None


class OtherStreams:
    """Where the streams beside the video have gone on without a gap."""

    def __init__(self) -> None:
        self._runs: dict[int, tuple[float, float]] = {}

    def heard(self, stream: int, time_s: float) -> None:
        """Take note of a packet of another stream."""
        start_s, end_s = self._runs.get(stream, (time_s, time_s))
        if not end_s - _STREAM_GAP_S <= time_s <= end_s + _STREAM_GAP_S:
            start_s = end_s = time_s
        self._runs[stream] = start_s, max(end_s, time_s)

    def go_on(self, start_s: float) -> bool:
        """Return whether any of them goes on for a while after a time."""
        return any(
            first_s <= start_s + _STREAM_GAP_S and last_s >= start_s + _GOES_ON_S
            for first_s, last_s in self._runs.values()
        )
