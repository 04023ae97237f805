"""Rows: what decoding for wanted frames costs, beside decoding every frame in order.

    python tests/bench/run.py decoding

A side reads a file once for each rate, and says how many CPU seconds each reading took:

    python -m tests.bench.decoding auto FILE 2 0.5 0.1
"""

import json
import sys
import time
from collections.abc import Iterator
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
import numpy.typing as npt
from av.video.stream import VideoStream

from index.decoding.decoders import frames_at, read
from index.decoding.decord_decoder import trusted_packets
from index.decoding.frame_types import every
from index.messages import say
from tests.bench.frame import Figure, Row, file_in, python

SECONDS, FPS = 60, 30
_WIDTH, _HEIGHT = 1280, 720
RATES = ("2", "0.5", "0.1")
_PICKED = "picked"
_PICKED_S = (6.4, 21.7, 37.2, 52.9)
"""Four frames of a minute, one in each quarter."""
_NEARLY = 0.05
"""A figure may be this much above the share to reach."""


class Kind(NamedTuple):
    """A way to encode, and the share of decoding in order that is to be reached."""

    file: str
    codec: str
    options: dict[str, str]
    shares: tuple[float, float, float]
    """At each of `RATES`."""


def _x264(preset: str, gop: int, params: str = "") -> dict[str, str]:
    return {"preset": preset, "g": str(gop), "x264-params": params}


_X265 = (
    "log-level=none:pools=none:frame-threads=1:bframes=8:b-adapt=0:rc-lookahead=20:"
    "keyint=300:min-keyint=300:scenecut=0"  # so a key frame stands at every 10 s
)
KINDS = {
    "h264, x264 medium, GOP 250": Kind(
        "medium_250.mp4", "libx264", _x264("medium", 250), (0.78, 0.72, 0.16)
    ),
    "h264, x264 veryfast, GOP 50": Kind(
        "veryfast_50.mp4", "libx264", _x264("veryfast", 50), (0.77, 0.45, 0.11)
    ),
    "h264, GOP 12": Kind("gop_12.mp4", "libx264", _x264("veryfast", 12), (0.61, 0.11, 0.05)),
    "h264, no B-frames, GOP 50": Kind(
        "no_b_50.mp4", "libx264", _x264("veryfast", 50, "bframes=0"), (0.87, 0.49, 0.08)
    ),
    "HEVC, 8 B-frames": Kind(
        "hevc.mp4",
        "libx265",
        {"preset": "ultrafast", "x265-params": _X265},
        (0.47, 0.22, 0.03),
    ),
    "VP9": Kind(
        "vp9.webm",
        "libvpx-vp9",
        {"deadline": "realtime", "cpu-used": "7", "lag-in-frames": "25", "b": "3000000"},
        (0.72, 0.51, 0.1),
    ),
    "AV1": Kind("av1.mp4", "libsvtav1", {"preset": "10", "crf": "38"}, (0.68, 0.49, 0.1)),
}


def rows(folder: Path, _whole: bool) -> Iterator[Row]:
    """Yield a row for each kind of file, and one for the picked frames of a minute."""
    for name, kind in KINDS.items():
        path = file_in(folder, kind.file, partial(_write, kind=kind))
        sides = {"auto": "auto", "in order": "pyav"}
        if trusted_packets(path) is not None:
            sides["decord"] = "decord"
        figures = [
            _ratio(rate, "in order", share) for rate, share in zip(RATES, kind.shares, strict=True)
        ]
        if "decord" in sides:
            figures += [_ratio(rate, "decord") for rate in RATES]
        yield Row(
            name=f"decode: {name}",
            sides={side: _side(decoder, path, *RATES) for side, decoder in sides.items()},
            figures=figures,
            rounds=2,
            note=f"{SECONDS} s of 720p",
        )
    path = folder / KINDS["h264, x264 veryfast, GOP 50"].file
    yield Row(
        name="picked frames",
        sides={
            "auto": _side("auto", path, _PICKED),
            "in order": _side("pyav", path, _PICKED),
        },
        figures=[_ratio(_PICKED, "in order", 0.45)],
        note=f"4 frames of {SECONDS} s of 720p, GOP 50; both stop after the last",
    )


def _side(decoder: str, path: Path, *what: str) -> list[str]:
    return python("tests.bench.decoding", decoder, path, *what)


def _ratio(what: str, rival: str, share: float | None = None) -> Figure:
    """Return the CPU seconds of auto over those of another decoder."""
    times = what if what == _PICKED else f"{what} a second"
    return Figure(
        what=f"CPU, {times}: auto / {rival}",
        of=lambda one: float(one["auto"].said[what] / one[rival].said[what]),
        at_most=None if share is None else round(share + _NEARLY, 2),
    )


def _write(path: Path, kind: Kind) -> None:
    """Encode the minute; it takes one to three on two cores."""
    say(f"encoding {kind.file}")
    container_format = Path(kind.file).suffix[1:]
    with av.open(path, "w", format=container_format) as container:
        stream = container.add_stream(kind.codec, rate=FPS, options=kind.options)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height = _WIDTH, _HEIGHT
        stream.pix_fmt = "yuv420p"
        for number, planes in enumerate(_scene()):
            frame = av.VideoFrame.from_ndarray(planes, "yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, FPS)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def _scene() -> Iterator[npt.NDArray[np.uint8]]:
    """Yield the pictures of the minute: shots of 7 s with detail, a moving camera, and noise."""
    draw = np.random.default_rng(0)
    noise = draw.normal(0, 2, (8, _HEIGHT, _WIDTH)).astype(np.int16)
    grounds = [_detail(draw) for _ in range(4)]
    sprites = [_detail(draw)[:120, :120] for _ in range(5)]
    for number in range(SECONDS * FPS):
        shot, since = divmod(number, 7 * FPS)
        pace = (0.4, 1.1, 2.3, 0.0)[shot % 4]
        left = int(300 + 280 * np.sin(pace * since / 90 + shot))
        top = int(150 + 140 * np.sin(pace * since / 130))
        luma = grounds[shot % 4][top : top + _HEIGHT, left : left + _WIDTH].copy()
        for n, sprite in enumerate(sprites):
            x = int((1 + np.sin(since / (31 + 9 * n) + n)) * (_WIDTH - 120) / 2)
            y = int((1 + np.cos(since / (43 + 5 * n) + n)) * (_HEIGHT - 120) / 2)
            luma[y : y + 120, x : x + 120] = sprite
        chroma = luma[::2, ::2] // 4 + 96
        luma += noise[number % 8]
        planes = np.empty((_HEIGHT * 3 // 2, _WIDTH), np.uint8)
        planes[:_HEIGHT] = luma.clip(16, 235)
        planes[_HEIGHT:].reshape(2, _HEIGHT // 2, _WIDTH // 2)[:] = (chroma, 224 - chroma)
        yield planes


def _detail(draw: np.random.Generator) -> npt.NDArray[np.int16]:
    """Return (1024, 2048) levels of light with detail of every size, as pictures have it."""
    levels = np.zeros((1024, 2048))
    for octave in range(2, 10):
        cells = draw.normal(size=(2**octave // 2, 2**octave))
        times = 2048 // 2**octave
        levels += np.kron(cells, np.ones((times, times))) * 0.62 ** (octave - 2)
    return np.asarray((levels / levels.std() * 40 + 125).clip(16, 235), np.int16)


def _spent_s(decoder: str, path: Path, what: str) -> float:
    """Return the CPU seconds of one reading, pictures of the wanted frames included."""
    began_s = time.process_time()
    if what == _PICKED:
        frames = frames_at(path, list(_PICKED_S), decoder=decoder)
    else:
        frames = read(path, every(float(what)), decoder=decoder)
    for _ in frames:
        pass
    return time.process_time() - began_s


if __name__ == "__main__":
    _, decoder, file, *rates = sys.argv
    print(json.dumps({what: _spent_s(decoder, Path(file), what) for what in rates}))
