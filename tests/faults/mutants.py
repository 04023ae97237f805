"""Small videos that are damaged on purpose: by a seed, so that each can be made again.

sources = make_sources(folder)
mutant = make_mutant(1234, sources)
path.write_bytes(mutant.data)
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np

from tests.videos import AV1, B_FRAMES, MPEG4, VP9, Recipe, write

FRAMES = 50
FPS = 25
SIDE = 96

_X265 = {
    "preset": "ultrafast",
    "x265-params": "log-level=none:pools=none:frame-threads=1:scenecut=0:keyint=12:min-keyint=12"
    ":bframes=3:b-adapt=0",
}


def _recipe(
    container: str,
    codec: str = "libx264",
    options: dict[str, str] = B_FRAMES,
    pix_fmt: str = "yuv420p",
) -> Recipe:
    return Recipe(
        f".{container}",
        codec,
        options,
        tuple(range(FRAMES)),
        size=(128, SIDE),
        pix_fmt=pix_fmt,
        muxer_options={"fflags": "+bitexact"},  # Matroska gets a random number otherwise
    )


RECIPES = (
    _recipe("mp4"),
    _recipe("mkv"),
    _recipe("webm", "libvpx-vp9", VP9 | {"g": "12"}),
    _recipe("ts"),
    _recipe("avi", "mpeg4", MPEG4),
    _recipe("mov"),
    _recipe("flv"),
    _recipe("mp4", "libx265", _X265),
    _recipe("mkv", "libsvtav1", AV1 | {"svtav1-params": "lp=1:keyint=12"}),
    _recipe("webm", "libvpx", VP9 | {"g": "12"}),
    _recipe("ts", "mpeg2video", MPEG4 | {"bf": "2"}),
    _recipe("avi", "mjpeg", {"threads": "1"}, "yuvj420p"),
    _recipe("mov", "prores_ks", {"threads": "1"}, "yuv422p10le"),
    _recipe("flv", "flv", MPEG4),
)
"""Two codecs in each of seven containers."""


@dataclass(frozen=True)
class Source:
    """An intact video."""

    container: str
    codec: str
    data: bytes
    packets: list[tuple[int, int]]
    """First byte and size of each packet, in the file's order."""


@dataclass(frozen=True)
class Mutant:
    """A damaged copy of a source."""

    seed: int
    source: Source
    damage: str
    data: bytes

    def __str__(self) -> str:
        return f"mutant {self.seed}: {self.source.container} {self.source.codec}, {self.damage}"


def make_sources(folder: Path) -> list[Source]:
    """Make the intact videos."""
    sources = []
    for recipe in RECIPES:
        path = folder / f"{recipe.codec}{recipe.suffix}"
        write(path, recipe)
        with av.open(path) as container:
            packets = [(p.pos or 0, p.size) for p in container.demux(video=0) if p.size]
        sources.append(Source(recipe.suffix[1:], recipe.codec, path.read_bytes(), packets))
    return sources


def make_mutant(seed: int, sources: list[Source]) -> Mutant:
    """Damage a source; seeds in a row go through all sources, and through all kinds of damage."""
    turn, number = divmod(seed, len(sources))
    source = sources[number]
    damage = tuple(_DAMAGES)[(turn + number) % len(_DAMAGES)]
    draw = np.random.default_rng(seed)
    return Mutant(seed, source, damage, _DAMAGES[damage](source, draw))


def _run(source: Source, draw: np.random.Generator) -> tuple[int, int]:
    """First byte and end of a run of 4 bytes to a tenth of the file; short ones as often."""
    length = int(np.exp(draw.uniform(np.log(4), np.log(len(source.data) / 10))))
    start = int(draw.integers(len(source.data) - length))
    return start, start + length


def _flipped(source: Source, draw: np.random.Generator) -> bytes:
    data = np.frombuffer(source.data, np.uint8).copy()
    for _ in range(int(2 ** draw.integers(6))):
        data[draw.integers(len(data))] ^= np.uint8(1 << int(draw.integers(8)))
    return data.tobytes()


def _zeroed(source: Source, draw: np.random.Generator) -> bytes:
    start, end = _run(source, draw)
    return source.data[:start] + bytes(end - start) + source.data[end:]


def _cut_out(source: Source, draw: np.random.Generator) -> bytes:
    start, end = _run(source, draw)
    return source.data[:start] + source.data[end:]


def _inserted(source: Source, draw: np.random.Generator) -> bytes:
    start, end = _run(source, draw)
    return source.data[:start] + draw.bytes(end - start) + source.data[start:]


def _duplicated(source: Source, draw: np.random.Generator) -> bytes:
    start, end = _run(source, draw)
    return source.data[:end] + source.data[start:]


def _swapped(source: Source, draw: np.random.Generator) -> bytes:
    """Two packets change places; what lies between them moves by the difference of their sizes."""
    one, other = sorted(draw.choice(len(source.packets), 2, replace=False))
    (start, size), (later, later_size) = sorted((source.packets[one], source.packets[other]))
    data = source.data
    between = data[start + size : later]
    return (
        data[:start]
        + data[later : later + later_size]
        + between
        + data[start : start + size]
        + data[later + later_size :]
    )


def _truncated(source: Source, draw: np.random.Generator) -> bytes:
    return source.data[: draw.integers(1, len(source.data))]


def _header(source: Source, draw: np.random.Generator) -> bytes:
    """Noise over 1 to 16 bytes of what lies before the first packet or after the last."""
    first = min(start for start, _ in source.packets)
    last = max(start + size for start, size in source.packets)
    places = np.r_[0 : max(first, 16), min(last, len(source.data)) : len(source.data)]
    data = np.frombuffer(source.data, np.uint8).copy()
    at = places[draw.integers(len(places))]
    noise = np.frombuffer(draw.bytes(int(draw.integers(1, 17))), np.uint8)[: len(data) - at]
    data[at : at + len(noise)] = noise
    return data.tobytes()


_DAMAGES: dict[str, Callable[[Source, np.random.Generator], bytes]] = {
    "flipped bits": _flipped,
    "a zeroed run": _zeroed,
    "a run cut out": _cut_out,
    "noise inserted": _inserted,
    "a run twice": _duplicated,
    "packets swapped": _swapped,
    "the end cut off": _truncated,
    "header overwritten": _header,
}
