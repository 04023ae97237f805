"""Frames of a video file by the time at which they are shown.

Two decoders stand behind one function: `read` goes through a file once, in order, and yields the
frame shown at each of the times asked for. PyAV is the reference, and what "auto" takes. decord,
which skips to the key frame before a wanted one, saves nothing at 2 frames per second (measured on
60 s of 720p: 3.7–4.5 CPU s by PyAV, 4.5–5.4 by decord) but two thirds and more at 0.5; it is there
for those who ask for it (index/decord_reader.py).

Time counts in seconds from the first *shown* frame. The frame shown at t is the last one whose
presentation time is at most t + 1e-4.
"""

from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Literal, NamedTuple

from PIL import Image

from index.errors import VideoError

Decoder = Literal["auto", "pyav", "decord"]

TIME_SLACK_S = 1e-4
"""Labels and sample times are rounded decimals; a frame this much later is still the one meant."""


class Frame(NamedTuple):
    """A picture and the time at which it is first shown."""

    time_s: float
    image: Image.Image


@dataclass(frozen=True, kw_only=True)
class Clip:
    """What is known of a video once it was decoded to its end."""

    duration_s: float
    """End of the last shown frame, from the first shown frame."""
    start_s: float
    """The first shown frame on a player's clock, which starts with the earliest stream."""
    width: int
    height: int
    warnings: list[str] = field(default_factory=list)


Scale = Callable[[int, int], tuple[int, int]]
"""From a frame's width and height to those that the decoder shall scale it to."""

Frames = Generator[Frame, None, Clip]


def sample_times(fps: float) -> Iterator[float]:
    """The endless sample times t_k = k / fps in seconds."""
    return (k / fps for k in count())


def read(
    path: Path,
    times_s: Iterable[float],
    *,
    decoder: Decoder = "auto",
    scale: Scale | None = None,
    clamp: bool = False,
) -> Frames:
    """Decode a file once, in order, and yield for each time the frame shown then.

    Args:
        path: The file.
        times_s: Ascending times from the first shown frame; may be endless.
        decoder: "auto" is "pyav"; "decord" refuses files on which it is not known to be right.
        scale: Lets the decoder's own scaler make the picture; None gives it in full size.
        clamp: Times past the end give the last frame; else the frames end there.

    Returns:
        As the generator's value, the `Clip`; the file is then decoded to its end.

    Raises:
        VideoError: It has no video stream, no timestamps or no frame that decodes, or is refused.
    """
    if not path.is_file():
        raise VideoError("is not a file; look for a typing error or a missing disk")
    if decoder != "decord":
        from index.pyav_reader import read_pyav

        return (yield from read_pyav(path, times_s, scale, clamp))
    from index.decord_reader import read_decord, trusted_packets

    packets = trusted_packets(path)
    if packets is None:
        raise VideoError("decord is not known to be right on such a file; use --decoder auto")
    return (yield from read_decord(path, packets, times_s, scale, clamp))


def claimed_duration_s(path: Path) -> float:
    """The container's word for its duration, 0 where it has none; no frame is decoded."""
    import av

    try:
        with av.open(str(path)) as container:
            return max(0.0, (container.duration or 0) / av.time_base)
    except (av.FFmpegError, OSError, ValueError):
        return 0.0


def frames_at(path: Path, times_s: list[float], *, decoder: Decoder = "auto") -> Iterator[Frame]:
    """Yield the frame shown at each of some ascending times, and decode no further than needed.

    Times past the end give the last frame.

    Raises:
        VideoError: As `read`.
    """
    with closing(read(path, times_s, decoder=decoder, clamp=True)) as frames:
        for _, frame in zip(times_s, frames, strict=False):
            yield frame
