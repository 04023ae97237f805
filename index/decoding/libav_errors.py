"""What libav logs as errors while it reads a file: the only word on much of a file's damage.

A decoder that cannot decode a part of a picture fills it in, logs an error and hands the picture
out as if it were whole. `LibavErrors` counts these lines for one file and keeps the first:

    errors = LibavErrors()
    with errors:
        packet = next(packets, None)
    with errors.of(packet):
        frames = packet.decode()
    warnings += errors.warnings(first_pts)

It hears only what is logged in its own thread and inside of its `with`, which therefore stands
around single calls of libav and never around a `yield`: several files may be read by turns in one
thread, and a reading may be given up at any frame. libav must decode in the calling thread.

PyAV's own `Capture` keeps every line until it is closed, and one call of a demuxer can log a line
for each few bytes of a file. So the lines are taken from Python's logging, to which PyAV hands
them otherwise. Measured: nothing on a sound file, 6 µs for each line of a damaged one.
"""

import logging
import re
from threading import local
from typing import Any

import av
from av.packet import Packet

from index.messages import escaped

ERROR_DETECTION = {"err_detect": "crccheck+bitstream+buffer"}
"""Codec options with which libav notices more, and decodes what is intact as without."""

_LONGEST = 160
"""Characters of a line of libav that are kept; it may repeat what stands in the file."""
_ADDRESS = re.compile(r"@ 0x[0-9a-fA-F]+|0x[0-9a-fA-F]{9,}")
_BEFORE_ALL = -(2**63)
_SEAM_PACKETS = 3
"""A mark this close before a jump of the clock is about the seam of two recordings."""
_SEAM_S = 60
"""A loss of data within one recording makes its clock jump by less."""

# Named like their messages' source. The demuxer of FLV has the name of one of its codecs; what
# either says counts, as that codec does not wait for a key frame.
_CODECS = av.codecs_available - {"flv"}


class _Lines:
    """A count of lines, and the first of them."""

    def __init__(self) -> None:
        self.count = 0
        self.first = ""

    def add(self, line: str) -> None:
        self.count += 1
        self.first = self.first or line


class LibavErrors:
    """Counts the errors that libav logs about one file; see the module for its use.

    A recording that begins between two key frames is no damage, although a decoder complains of
    each packet until the first key frame: about pictures and parameters that it never got
    ("non-existing PPS 0 referenced", "Could not find ref with POC 4", "co located POCs
    unavailable"). The same holds for the pictures that follow an open key frame but are shown
    before it. So what a codec says before the first key frame and about pictures of before it
    counts only if such a picture is shown, as codecs do that do not wait for a key frame
    ("warning: first frame is no keyframe"). What a demuxer says always counts.

    The demuxer of MPEG-TS says that a part of a packet is missing by a mark on the packet, which
    not every decoder notices, so marked packets count as well. Where recordings are joined by
    `cat` the counter of the parts jumps with the clock, and the last packet before is marked
    whether it is whole or not: that says nothing.
    """

    def __init__(self) -> None:
        self._lines = _Lines()
        self._early_lines = _Lines()
        self._key_pts: int | None = None
        self._early = True
        self._dts: int | None = None
        self._marked: list[_Lines] = []
        self._since_mark = 0
        self._outer: LibavErrors | None = None

    def of(self, packet: "Packet[Any]") -> "LibavErrors":
        """Take note of the packet that is decoded next; use the result in `with`."""
        pts = packet.pts
        if pts is None:
            pts = packet.dts
        if self._key_pts is None and packet.is_keyframe:
            self._key_pts = _BEFORE_ALL if pts is None else pts
        self._early = self._key_pts is None or (pts is not None and pts < self._key_pts)
        if self._marked:
            self._judge(packet)
        if packet.is_corrupt:
            if not self._marked:
                self._since_mark = 0
            self._marked.append(self._early_lines if self._early else self._lines)
        self._dts = packet.dts
        return self

    def _judge(self, packet: "Packet[Any]") -> None:
        """Forget the marks before a seam; count them once it is too far for one."""
        self._since_mark += 1
        dts, last = packet.dts, self._dts
        ticks = packet.time_base or 0
        if dts is not None and last is not None and not 0 <= (dts - last) * ticks <= _SEAM_S:
            self._marked.clear()
        elif self._since_mark == _SEAM_PACKETS:
            self._count_marks()

    def _count_marks(self) -> None:
        for lines in self._marked:
            lines.add("a packet is marked corrupt")
        self._marked.clear()

    def __enter__(self) -> None:
        self._outer = _here.errors
        _here.errors = self

    def __exit__(self, *_error: object) -> None:
        _here.errors = self._outer

    def add(self, source: str, line: str) -> None:
        """Count a line that a codec or a demuxer, named by `source`, has logged."""
        early = self._early and source in _CODECS
        (self._early_lines if early else self._lines).add(f"{source}: {line}")

    def count(self, first_pts: int) -> int:
        """Return how many errors so far count, but for marks that may yet say nothing.

        Args:
            first_pts: Presentation time of the first shown frame, in ticks of its stream.
        """
        return sum(lines.count for lines in self._counting(first_pts))

    def _counting(self, first_pts: int) -> list[_Lines]:
        if self._key_pts is None or first_pts < self._key_pts:
            return [self._early_lines, self._lines]
        return [self._lines]

    def warnings(self, first_pts: int) -> list[str]:
        """Return the warning about the errors so far; empty if there are none that count.

        Args:
            first_pts: Presentation time of the first shown frame, in ticks of its stream.
        """
        self._count_marks()
        count = self.count(first_pts)
        if not count:
            return []
        first = next(lines.first for lines in self._counting(first_pts) if lines.count)
        return [f"damaged: the decoder reports {count} errors, first: {_readable(first)}"]


def _readable(line: str) -> str:
    """Return a line as one line that can be printed, equal in each run and of bounded length."""
    line = escaped(" ".join(_ADDRESS.sub("", line).split()))
    return line if len(line) <= _LONGEST else line[:_LONGEST] + "…"


class _Handler(logging.Handler):
    """Hands each line to the `LibavErrors` that listens in the thread in which it is logged."""

    def emit(self, record: logging.LogRecord) -> None:
        if _here.errors is not None:
            _here.errors.add(record.name.removeprefix("libav."), record.getMessage())


def _listen() -> None:
    """Have libav's errors logged, and nowhere but here: they would go to stderr otherwise.

    Of equal lines in a row PyAV hands on the first only, even if the others are of another file.
    """
    av.logging.set_level(av.logging.ERROR)
    av.logging.set_skip_repeated(False)
    logger = logging.getLogger("libav")
    logger.setLevel(logging.ERROR)
    logger.propagate = False
    logger.addHandler(_Handler())


class _Here(local):
    """What listens in this thread."""

    errors: LibavErrors | None = None


_here = _Here()
_listen()
