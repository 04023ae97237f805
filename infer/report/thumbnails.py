"""Small pictures of frames, with all wanted times of a video in one decode."""

import io
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from PIL import Image

from index.boundary import costs_one
from index.decoding.decoders import frames_at
from index.messages import say
from index.progress import bar

SIDE = 240
"""Longer side in pixels; a smaller frame stays as it is."""
_QUALITY = 75


def thumbnails(path: Path, times_s: list[float]) -> Iterator[tuple[float, bytes]]:
    """Decode a video once and yield each of some ascending times with its frame as a small JPEG.

    Times that show the same frame have the same bytes.

    Raises:
        VideoError: As `index.decoding.decoders.frames_at`.
    """
    shown_s, picture = -1.0, b""
    for time_s, frame in zip(times_s, frames_at(path, times_s), strict=False):
        if frame.time_s != shown_s:
            shown_s, picture = frame.time_s, _small_jpeg(frame.image)
        yield time_s, picture


def thumbnails_of(
    wanted: Mapping[str, list[float]], find: Callable[[str], Path]
) -> dict[str, dict[float, bytes]]:
    """Make thumbnails of many videos, with a progress bar; a failure is a warning on stderr.

    Args:
        wanted: For each video its ascending times in seconds.
        find: Returns the file of a video or raises VideoError, as
            `infer.videos.video_files.find_video_file`.

    Returns:
        For each video the pictures that could be made, by the requested time.
    """
    made: dict[str, dict[float, bytes]] = {}
    failed: dict[str, str] = {}
    for video, times_s in bar(wanted.items(), "video", len(wanted)):
        pictures = made.setdefault(video, {})
        with costs_one(failed, video):
            pictures.update(thumbnails(find(video), times_s))
    for video, reason in failed.items():
        say(f"warning: no pictures of {video}: {reason}")
    return made


def _small_jpeg(image: Image.Image) -> bytes:
    small = image.copy()
    small.thumbnail((SIDE, SIDE), Image.Resampling.BICUBIC)
    file = io.BytesIO()
    small.save(file, "JPEG", quality=_QUALITY, optimize=True)
    return file.getvalue()
