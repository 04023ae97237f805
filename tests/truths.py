"""What a right reader gives for a generated video: the rule, applied to the truth alone."""

from bisect import bisect_right
from collections.abc import Generator, Iterable, Iterator, Mapping
from itertools import count, takewhile
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt
from PIL import Image

from index.decoding.frame_types import Frame
from index.models.preprocess import ImageTransform
from tests.videos import KINDS, Truth, file_name, make, read_number

UNUSABLE = ("raw", "sound_only", "text", "cut_fragmented_header")
USABLE = tuple(kind for kind in KINDS if kind not in UNUSABLE)
DAMAGED = ("cut", "cut_fragmented", "cut_mpegts", "damaged", "damaged_pictures")
INTACT = tuple(kind for kind in USABLE if kind not in DAMAGED)
DOUBTFUL_FOR_DECORD = (
    *("open_gop", "hevc", "hevc_open_gop"),  # wrong after a skip, or an exception
    *("gray", "ten_bit", "odd_size", "rotation"),  # other pixels than PyAV's
    *("avi", "avi_b_frames", "mpegts", "mpegts_sound", "mpegts_wrap"),
    *("edit_list", "edit_list_both_ends", "cut", "cut_fragmented", "cut_mpegts"),
    *UNUSABLE,
)
TRUSTED = tuple(kind for kind in KINDS if kind not in DOUBTFUL_FOR_DECORD)
DECODABLE = [(kind, "auto") for kind in USABLE] + [
    (kind, "decord") for kind in TRUSTED if kind in INTACT
]
"""Kinds and decoders of which a right answer is expected."""

CENTER = ImageTransform(
    mode="center", height=224, width=224, shortest_edge=224, resample=3, fill=(122, 116, 104)
)

Item = TypeVar("Item")
Value = TypeVar("Value")


class Generated:
    """A folder of generated videos that grows as they are asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._truths: dict[str, Truth] = {}

    def __call__(self, kind: str) -> tuple[Path, Truth]:
        """Path and truth of a kind."""
        path = self.folder / file_name(kind)
        if kind not in self._truths:
            self._truths[kind] = make(path, kind)
        return path, self._truths[kind]


def drain(generator: Generator[Item, None, Value]) -> tuple[list[Item], Value]:
    """All that a generator yields, and its value."""
    items = []
    while True:
        try:
            items.append(next(generator))
        except StopIteration as end:
            return items, end.value


def shown_at(frames: list[Frame], times_s: Iterable[float], duration_s: float) -> list[Frame]:
    """Those of a reading's frames that are shown at the times before the end of the video."""
    starts_s = [frame.time_s for frame in frames]
    return [frames[bisect_right(starts_s, t + 1e-4) - 1] for t in times_s if t < duration_s]


def sampled(truth: Truth, fps: float) -> list[float]:
    """The sample times k / fps before the end."""
    return list(takewhile(lambda t: t < truth.duration_s, (k / fps for k in count())))


def allowed(truth: Truth, time_s: float) -> set[float]:
    """Times of the frames that may be shown at a time: one, or several beside damage."""
    spoilt = {frame_s for _, frame_s in truth.damaged}
    frames = sorted(spoilt | {frame_s for _, frame_s in truth.frames})
    at = bisect_right(frames, time_s + 1e-4) - 1
    found = {frames[at]}
    while frames[at] in spoilt and at > 0:
        at -= 1
        found.add(frames[at])
    return {round(frame_s, 6) for frame_s in found}


def check_rows(truth: Truth, rows: Iterable[float], times_s: Iterable[float]) -> None:
    """Rows are those frames that are shown at some of the times, each once."""
    rows = [round(row, 6) for row in rows]
    times_s = list(times_s)
    assert rows == sorted(set(rows))
    shown = {rows[bisect_right(rows, time_s + 1e-4) - 1] for time_s in times_s}
    assert shown == set(rows)
    for time_s in times_s:
        assert rows[bisect_right(rows, time_s + 1e-4) - 1] in allowed(truth, time_s)


def check_ends(truth: Truth, ends_s: Mapping[float, float]) -> None:
    """Each frame ends where the next one of the video begins, the last where the video ends.

    Beside damage it may last until a later one.
    """
    spoilt = {round(frame_s, 6) for _, frame_s in truth.damaged}
    frames = sorted({round(frame_s, 6) for _, frame_s in truth.frames} | spoilt)
    ends = [*frames, round(truth.duration_s, 6)]
    for time_s, end_s in ends_s.items():
        after = ends.index(round(time_s, 6)) + 1
        allowed_s = {ends[after]}
        while ends[after] in spoilt:
            after += 1
            allowed_s.add(ends[after])
        assert round(end_s, 6) in allowed_s


def check_numbers(truth: Truth, pictures: Iterable[tuple[float, Image.Image]]) -> int:
    """Each picture at an intact time carries that frame's number; returns how many were read."""
    number_at = {round(frame_s, 6): number for number, frame_s in truth.frames}
    spoilt = {round(frame_s, 6) for _, frame_s in truth.damaged}
    read = 0
    for time_s, picture in pictures:
        if round(time_s, 6) not in spoilt:
            assert read_number(picture) == number_at[round(time_s, 6)]
            read += 1
    return read


def upright(kind: str, picture: Image.Image) -> Image.Image:
    """As it was drawn: a rotated video shows its numbers lying."""
    return picture.transpose(Image.Transpose.ROTATE_270) if kind == "rotation" else picture


def pictures_of(
    kind: str, squares: Iterable[tuple[float, float, npt.NDArray[np.uint8]]]
) -> Iterator[tuple[float, Image.Image]]:
    """Frames of one square as pictures, as they were drawn."""
    for time_s, _, (square,) in squares:
        yield time_s, upright(kind, Image.fromarray(square))
