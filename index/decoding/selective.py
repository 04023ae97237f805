"""Decoding no more than the wanted frames need, with the pixels of decoding in order.

The packets are taken one group of pictures ahead (`index.decoding.groups`), so their times tell
which of them are wanted before they are decoded. Then

- a group without a wanted frame is left out, and so is what follows the last wanted packet of one;
- the decoder is told to skip a frame that nobody wants and no other frame refers to;
- where the next group begins in the open and one of the pictures that need this group is wanted,
  this group is decoded to its end.

The first frame of a file and its last group are always decoded: where the first frame is shown, how
large it is and how long the last one lasts is not in the packets.

Whatever is odd raises `OddError`, and the file is read in order (`index.decoding.pyav_decoder`).
What is not decoded cannot be checked: damage there goes unnoticed, and a frame before a damaged one
ends where that one should have begun.
"""

from collections.abc import Iterator
from heapq import heapify, heappop
from pathlib import Path
from typing import Any

import av
from av.container import InputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from index.decoding.clock import JUMP_S, has_decoding_times_only
from index.decoding.display import DisplayReader
from index.decoding.frame_types import FrameStream, NextTime, Scale, is_wanted
from index.decoding.groups import Group, grouped
from index.decoding.headers.packet_facts import OddError, Start
from index.decoding.libav_errors import LibavErrors
from index.decoding.packets import all_packets, clock_may_jump, looked_ahead
from index.decoding.reading import Reading, ShownFrame
from index.decoding.selection import Expected, is_needed, select
from index.decoding.wanted_frames import wanted_frames

Needed = tuple[ShownFrame, int | None]
"""A needed frame, and when the next one is shown; None of the last one."""


def decode_selected(
    path: Path,
    next_time: NextTime,
    scale: Scale | None,
    clamp: bool,
    max_pixels: int | None = None,
) -> FrameStream:
    """Decode as `index.decoding.in_order.decode_in_order` does, but no more than is needed.

    Raises:
        OddError: Something is odd; the frames so far are right.
    """
    reading = Reading(path, max_pixels)
    return (yield from wanted_frames(reading, _ended(reading, next_time), next_time, scale, clamp))


def _ended(reading: Reading, next_time: NextTime) -> Iterator[tuple[ShownFrame, float | None]]:
    """Yield the needed frames of a file with the times in seconds at which they end."""
    with reading.opened() as (container, stream):
        for shown, end_pts in _needed(reading, container, stream, next_time):
            yield shown, None if end_pts is None else reading.time_s(end_pts)
        reading.ended(container)


def _needed(
    reading: Reading, container: InputContainer, stream: VideoStream, next_time: NextTime
) -> Iterator[Needed]:
    """Yield the first frame, the wanted ones and the last one."""
    may_jump = clock_may_jump(container)
    first_times, packets = looked_ahead(all_packets(container, reading.errors), stream)
    if not may_jump and has_decoding_times_only(first_times, stream.codec_context.has_b_frames):
        raise OddError("the file has no times of presentation")
    farthest = int(JUMP_S / reading.ticks) if may_jump else None
    groups = grouped(_of_video(reading, packets), stream.codec_context, farthest)
    group: Group | None = next(groups)
    after = next(groups, None)
    origin = min(group.shown) if group else 0

    def seconds(pts: int) -> float:
        return float((pts - origin) * reading.ticks)

    def wants(pts: int, end_pts: int) -> bool:
        return is_wanted(next_time, seconds(pts), seconds(end_pts))

    run = Run(reading, stream, origin)
    before: list[int] | None = None
    whole = False  # whether all before has been decoded
    while group is not None:
        count, expected = select(before, group, after, wants)
        if count:
            if before is not None and not whole:
                yield from run.over()
                run.begin(group)
            run.expect(expected)
            for packet, facts in group.packets[:count]:
                skip = facts.is_droppable and not is_needed(packet, facts, expected)
                yield from run.send(packet, skip)
        whole = count == len(group.packets)
        before = group.shown
        group, after = after, next(groups, None)
    yield from run.over()


def _of_video(reading: Reading, packets: "Iterator[Packet[Any]]") -> "Iterator[Packet[Any]]":
    """Yield the packets of the video stream."""
    try:
        for packet in packets:
            if reading.heard(packet):
                yield packet
    except (av.FFmpegError, OSError) as error:
        raise OddError("the file cannot be read on") from error


class _AfterGap(LibavErrors):
    """Errors after a gap, but for those about frames that are missing because they were left out.

    H.264 says of each frame which ones before it are no longer referred to (8.2.5.4).
    """

    def add(self, source: str, line: str) -> None:
        if line != "mmco: unref short failure":
            super().add(source, line)


class Run:
    """Packets that are decoded one after the other without a gap, and what comes out of them."""

    def __init__(self, reading: Reading, stream: VideoStream, origin: int) -> None:
        self._reading = reading
        self._codec = stream.codec_context
        self._display_of = DisplayReader(stream)
        # libdav1d asks what to skip when it is opened, never after.
        self._leaves_out = self._codec.codec.canonical_name == "av1"
        self._skips = False
        self._errors = LibavErrors()
        self._from_pts = origin
        self._last_pts: int | None = None
        self._expected: dict[int, Expected] = {}
        self._due: list[int] = []
        """A heap of the needed frames that have not come."""
        self._held: Needed | None = None

    def begin(self, group: Group) -> None:
        """Begin in the middle of the file; what is shown before is not right, and left out."""
        if group.start is Start.NONE:
            raise OddError("a group cannot be decoded by itself")
        self._errors = _AfterGap()
        self._from_pts = group.key_pts

    def expect(self, expected: dict[int, Expected]) -> None:
        """Expect frames of the packets that are sent next."""
        last = self._last_pts
        stay = {pts: one for pts, one in self._expected.items() if last is None or pts > last}
        self._expected = stay | expected
        self._due += [pts for pts, one in expected.items() if one.is_needed]
        heapify(self._due)

    def send(self, packet: "Packet[Any]", skip: bool) -> Iterator[Needed]:
        """Decode a packet, or skip the frame in it; yield the needed frames that come out."""
        if skip and self._leaves_out:
            return
        if skip != self._skips:
            self._codec.skip_frame = "NONREF" if skip else "DEFAULT"
            self._skips = skip
        yield from self._decoded(packet)

    def over(self) -> Iterator[Needed]:
        """Yield the needed frames that the decoder still holds back."""
        yield from self._decoded(None)
        if self._due:
            raise OddError("a frame did not come")
        if self._held is not None:
            yield self._held
        self._held = None
        self._expected = {}
        self._codec.flush_buffers()

    def _decoded(self, packet: "Packet[Any] | None") -> Iterator[Needed]:
        """Yield the needed frames that come out; each is held until another one is there.

        So what is odd about the next one is known before.
        """
        try:
            with self._errors if packet is None else self._errors.of(packet):
                frames = self._codec.decode(packet)
        except (av.FFmpegError, OSError) as error:
            raise OddError("a packet cannot be decoded") from error
        if self._errors.count(self._from_pts) or self._reading.errors.count(self._from_pts):
            raise OddError("libav reports an error")
        for frame in frames:
            if frame.pts is None:
                raise OddError("a frame without a time")
            if frame.pts < self._from_pts:
                continue
            needed = self._checked(frame, frame.pts)
            if self._held is not None:
                yield self._held
            self._held = needed

    def _checked(self, frame: VideoFrame, pts: int) -> Needed | None:
        """Take note of a frame, and return it if it is needed."""
        if frame.is_corrupt:
            raise OddError("a frame is marked corrupt")
        if self._last_pts is not None and pts <= self._last_pts:
            raise OddError("frames do not come in order")
        known = self._expected.pop(pts, None)
        if known is None:
            raise OddError("a frame came that no packet announced")
        if known.is_needed and heappop(self._due) != pts:
            raise OddError("a frame did not come")
        self._last_pts = pts
        display = self._display_of(frame)
        shown = self._reading.shown(pts, frame.duration or known.step, frame, display)
        return (shown, known.end_pts) if known.is_needed else None
