"""Compares what a decoder shows with decoding in order, frame by frame, at many rates."""

import hashlib
import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from index.decoding.decoders import frames_at
from index.decoding.frame_types import (
    Frame,
    FrameStream,
    NextTime,
    VideoMetadata,
    each_of,
    every,
    is_last_wanted,
    is_wanted,
)
from index.decoding.in_order import decode_in_order, shown_frames
from index.decoding.pyav_decoder import decode_pyav
from index.decoding.reading import Reading, picture
from index.errors import VideoError

RATES = (4.0, 2.0, 1.0, 0.5, 0.1)
_DAMAGE = ("damaged: ", "disordered: ")


class Shown(NamedTuple):
    """A frame and a digest of its pixels."""

    time_s: float
    end_s: float
    pixels: str


class Seen(NamedTuple):
    """What a decoder gave: frames and metadata, or an error."""

    frames: list[Shown]
    metadata: VideoMetadata | None
    error: str


class Right(NamedTuple):
    """What is right to show: all frames of decoding in order, or else those of the intact file."""

    reference: Seen
    intact: Seen
    unsure: set[float]
    """Times of the pictures of which decoding in order gives one or another."""

    @property
    def damaged(self) -> bool:
        """Whether the file is damaged."""
        return self.intact is not self.reference


Decode = Callable[[Path, NextTime, None, bool], FrameStream]


def see(decode: Decode, path: Path, next_time: NextTime, clamp: bool = False) -> Seen:
    """Read a file to its end."""
    stream = decode(path, next_time, None, clamp)
    frames: list[Shown] = []
    while True:
        try:
            frames.append(_digested(next(stream)))
        except StopIteration as end:
            return Seen(frames, end.value, "")
        except VideoError as error:
            return Seen(frames, None, str(error))


def _digested(frame: Frame) -> Shown:
    return Shown(frame.time_s, frame.end_s, _digest(frame.image))


def _digest(image: Image.Image) -> str:
    digest = hashlib.blake2b(image.tobytes(), digest_size=8)
    return f"{image.width} x {image.height} {digest.hexdigest()}"


def differences(
    path: Path,
    seed: int = 0,
    damaged_of: Path | None = None,
    rates: Sequence[float] = RATES,
) -> list[str]:
    """What is different from decoding in order, a line each; empty if nothing is.

    Args:
        path: The file.
        seed: Of the random times.
        damaged_of: The intact file of which this one is a damaged copy, or this one again where
            there is none. Damage may go unnoticed where nobody looks at it: then no warning tells
            of it, a damaged frame ends the one before it, and a whole frame may be there that
            decoding in order has lost to damage elsewhere.
        rates: Frames a second that are asked for.
    """
    reference = _every_frame(path)
    intact = reference if damaged_of is None else _every_frame(damaged_of)
    right = Right(reference, intact, set() if damaged_of is None else _unsure(path, reference))
    found = []
    for what, next_time, clamp in _wishes(reference, seed, rates):
        seen = see(decode_pyav, path, next_time, clamp)
        wanted = _wanted(reference, next_time, clamp)
        found += [f"{what}: {line}" for line in _differ(seen, wanted, right)]
    if reference.metadata is not None:
        found += _differ_at(path, right, seed)
    return found


def _every_frame(path: Path) -> Seen:
    return see(decode_in_order, path, lambda start_s: start_s, clamp=True)


def _unsure(path: Path, reference: Seen) -> set[float]:
    """Where decoding in order shows other pictures if all of them are kept.

    Where a part of a picture is not decoded, libav may show what its memory held before, and says
    nothing of it: then there is no right picture.
    """
    if reference.metadata is None:
        return set()
    kept = list(shown_frames(Reading(path, None)))
    pixels = {shown.time_s: _digest(picture(shown, None)) for shown in kept}
    return {frame.time_s for frame in reference.frames if pixels[frame.time_s] != frame.pixels}


def _wishes(
    reference: Seen, seed: int, rates: Sequence[float]
) -> Iterator[tuple[str, NextTime, bool]]:
    for fps in rates:
        yield f"{fps:g} a second", every(fps), False
    end_s = reference.metadata.duration_s if reference.metadata else 10.0
    draw = random.Random(seed)
    times_s = [draw.uniform(-0.5, end_s * 1.1) for _ in range(draw.choice((1, 3, 12)))]
    clamp = draw.random() < 0.5
    yield f"at {times_s}, clamp={clamp}", each_of(times_s), clamp


def _wanted(reference: Seen, next_time: NextTime, clamp: bool) -> list[Shown]:
    frames = reference.frames
    return [
        frame
        for row, frame in enumerate(frames)
        if (
            is_wanted(next_time, frame.time_s, frame.end_s)
            if row + 1 < len(frames)
            else is_last_wanted(next_time, frame.time_s, frame.end_s, clamp)
        )
    ]


def _differ(seen: Seen, wanted: list[Shown], right: Right) -> Iterator[str]:
    reference = right.reference
    if seen.error != reference.error:
        yield f"error {seen.error!r} instead of {reference.error!r}"
    if seen.metadata is None or reference.metadata is None:
        return
    yield from _frames_differ(seen.frames, wanted, right)
    ours, theirs = dict(vars(seen.metadata)), dict(vars(reference.metadata))
    if right.damaged and not any(warning.startswith(_DAMAGE) for warning in ours["warnings"]):
        theirs["warnings"] = [w for w in theirs["warnings"] if not w.startswith(_DAMAGE)]
        if right.intact.metadata and ours["duration_s"] == right.intact.metadata.duration_s:
            theirs["duration_s"] = ours["duration_s"]
    for name, value in theirs.items():
        if ours[name] != value:
            yield f"{name} {ours[name]} instead of {value}"


def _frames_differ(frames: list[Shown], wanted: list[Shown], right: Right) -> Iterator[str]:
    wanted_at = {frame.time_s: frame for frame in wanted}
    whole_at = {frame.time_s: frame for frame in right.intact.frames} if right.damaged else {}
    for frame in frames:
        same = wanted_at.get(frame.time_s)
        whole = whole_at.get(frame.time_s)
        if same is None and whole is None:
            yield f"a frame at {frame.time_s:.3f} s"
        elif (
            same
            and frame.pixels not in (same.pixels, whole and whole.pixels)
            and frame.time_s not in right.unsure
        ):
            yield f"another picture at {frame.time_s:.3f} s"
        elif (
            same and frame.end_s != same.end_s and not (right.damaged and frame.end_s < same.end_s)
        ):
            yield f"the frame at {frame.time_s:.3f} s ends at {frame.end_s}, not at {same.end_s}"
    times_s = [frame.time_s for frame in frames]
    for frame in wanted:
        until_s = frame.end_s if right.damaged else frame.time_s
        if not any(frame.time_s <= time_s <= until_s for time_s in times_s):
            yield f"no frame at {frame.time_s:.3f} s"


def _differ_at(path: Path, right: Right, seed: int) -> Iterator[str]:
    """Where `frames_at`, which stops after the last time, shows another frame."""
    draw = random.Random(seed)
    shown = right.reference.frames
    times_s = sorted(draw.uniform(0, shown[-1].end_s * 1.05) for _ in range(4))
    for time_s, frame in zip(times_s, frames_at(path, times_s), strict=True):
        wanted = next((one for one in shown if time_s + 1e-4 < one.end_s), shown[-1])
        for line in _frames_differ([_digested(frame)], [wanted], right):
            yield f"frames_at {times_s}: {line}"
