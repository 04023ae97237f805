"""Small videos of every kind that PyAV's own encoders make, in motion, so that frames need others.

    make(folder / file_name("hevc_layers"), "hevc_layers")

Ten pictures a second: a texture that slides and turns, cut to another one at times. Where a decoder
skips what another frame refers to, the pictures differ from those of decoding in order.
"""

import os
import subprocess
import sys
from dataclasses import replace
from fractions import Fraction
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from tests.videos import FRAGMENTED, MILLISECOND, Recipe, write

SIZE = (96, 64)
FRAMES = 100
TENTH = Fraction(1, 10)
_CUTS = (47, 85)
"""Numbers of the pictures at which the texture changes."""


@cache
def _texture(seed: int) -> Image.Image:
    noise = np.random.default_rng(seed).integers(0, 256, (64, 64, 3), np.uint8)
    return Image.fromarray(noise).resize((640, 640), Image.Resampling.BICUBIC)


def moving(number: int, width: int, height: int) -> Image.Image:
    """The picture of a number: it slides, and is blurred at times, so that encoders decide anew."""
    shot = sum(number >= cut for cut in _CUTS)
    left, top = 20 + number, 20 + abs(number % 48 - 24)
    picture = _texture(shot).crop((left, top, left + width, top + height))
    picture.paste((255 - number % 256, 20, number % 256), (number % 60, 8, number % 60 + 16, 24))
    return picture.filter(ImageFilter.GaussianBlur(number % 5)) if number % 40 < 5 else picture


def _recipe(
    suffix: str, codec: str, options: dict[str, str] | None = None, frames: int = FRAMES
) -> Recipe:
    return Recipe(
        suffix,
        codec,
        {"threads": "1"} | (options or {}),
        tuple(range(frames)),
        time_base=TENTH,
        size=SIZE,
        picture=moving,
    )


def x264(
    params: str = "",
    suffix: str = ".mp4",
    frames: int = FRAMES,
    preset: str = "veryfast",
    g: int = 30,
) -> Recipe:
    """Return the recipe of a small h264 video."""
    options = {"preset": preset, "g": str(g), "x264-params": f"threads=1:{params}".rstrip(":")}
    return _recipe(suffix, "libx264", options, frames)


def _x265(params: str = "", suffix: str = ".mp4") -> Recipe:
    quiet = "log-level=none:pools=none:frame-threads=1:rc-lookahead=20:keyint=30:min-keyint=4"
    options = {"preset": "ultrafast", "x265-params": f"{quiet}:{params}".rstrip(":")}
    return _recipe(suffix, "libx265", options)


def _vp9(suffix: str = ".webm", **options: str) -> Recipe:
    usual = {"deadline": "realtime", "cpu-used": "7", "g": "60", "b": "200000"}
    return _recipe(suffix, "libvpx-vp9", usual | {"lag-in-frames": "25"} | options)


def _av1(params: str = "", suffix: str = ".mp4") -> Recipe:
    options = {"preset": "10", "crf": "40", "svtav1-params": f"lp=1:keyint=32:{params}".rstrip(":")}
    return _recipe(suffix, "libsvtav1", options)


def _mpeg(suffix: str, codec: str, **options: str) -> Recipe:
    usual = {"g": "12", "bf": "2", "b": "800000"}
    return replace(_recipe(suffix, codec, usual | options), time_base=Fraction(1, 25))


PYRAMID = "bframes=8:b-adapt=0:b-pyramid=normal"
_UNEVEN_MS = tuple(
    int(t) for t in np.cumsum(np.random.default_rng(5).choice([17, 40, 100, 333, 1500], 90))
)
_STILL = (*range(30), *range(5000, 5030))


def _uneven(recipe: Recipe) -> Recipe:
    return replace(recipe, pts=_UNEVEN_MS, time_base=MILLISECOND, last_ticks=40)


KINDS: dict[str, Recipe] = {
    # h264: presets, reference structures, starts
    "x264_medium": x264(preset="medium", g=250, frames=130),
    "x264_veryfast": x264(g=50),
    "x264_short": x264(g=12),
    "x264_no_b": x264("bframes=0", g=50),
    "x264_pyramid": x264(PYRAMID),
    "x264_strict": x264("bframes=5:b-adapt=0:b-pyramid=strict:ref=8"),
    "x264_open": x264("open-gop=1:bframes=3:b-adapt=0", g=15),
    "x264_open_ts": x264("open-gop=1:bframes=3:b-pyramid=normal", ".ts", g=15),
    "x264_refresh": x264("intra-refresh=1", g=20),
    "x264_refresh_ts": x264("intra-refresh=1:bframes=2", ".ts", g=20),
    "x264_interlaced": x264("tff=1", preset="medium"),
    "x264_slices": x264("slices=4", ".mkv"),
    "x264_one_key": x264("scenecut=0", g=10_000),
    "x264_all_keys": x264("keyint=1"),
    "x264_ts": x264(PYRAMID, ".ts"),
    "x264_flv": x264(suffix=".flv"),
    "x264_avi": x264(suffix=".avi"),
    "x264_asf": x264(suffix=".asf"),
    "x264_nut": x264(suffix=".nut"),
    "x264_mov": x264(suffix=".mov"),
    "x264_fragments": replace(x264(), muxer_options=FRAGMENTED),
    "x264_444": replace(x264(), pix_fmt="yuv444p"),
    "x264_ten_bits": replace(x264(), pix_fmt="yuv420p10le"),
    "x264_sound": replace(x264(), sound=True),
    "x264_sound_ts": replace(
        x264(
            suffix=".ts",
        ),
        sound=True,
    ),
    "x264_uneven": _uneven(x264(PYRAMID)),
    "x264_uneven_mkv": _uneven(x264(PYRAMID, ".mkv")),
    "x264_still": replace(x264(), pts=_STILL),
    "x264_still_mkv": replace(x264(suffix=".mkv"), pts=_STILL),
    "x264_still_ts": replace(x264(suffix=".ts"), pts=_STILL),
    "x264_late": replace(x264(), pts=tuple(range(40, 130)), sound=True),
    "x264_before_zero": replace(x264(), pts=tuple(range(-12, 80))),
    "x264_one": x264(frames=1),
    "x264_two": x264(frames=2),
    # HEVC
    "hevc": _x265("bframes=8:b-adapt=0:open-gop=0"),
    "hevc_open": _x265("bframes=4:b-adapt=0:open-gop=1", ".mkv"),
    "hevc_open_ts": _x265("bframes=8:b-pyramid=1:open-gop=1", ".ts"),
    "hevc_layers": _x265("bframes=4:b-adapt=0:temporal-layers=3"),
    "hevc_layers_ts": _x265("bframes=4:temporal-layers=2:open-gop=1", ".ts"),
    "hevc_no_b": _x265("bframes=0"),
    "hevc_radl": _x265("bframes=4:b-adapt=0:open-gop=0:radl=2"),
    "hevc_refresh": _x265("intra-refresh=1:bframes=0"),
    "hevc_ten_bits": replace(
        _x265(
            "bframes=4",
        ),
        pix_fmt="yuv420p10le",
    ),
    # VP8 and VP9, which has frames that are not shown
    "vp8": _recipe(".webm", "libvpx", {"g": "40", "deadline": "realtime", "cpu-used": "8"}),
    "vp9": _vp9(),
    "vp9_live": _vp9(**{"lag-in-frames": "0", "g": "30"}),
    "vp9_mp4": _vp9(".mp4", **{"error-resilient": "1"}),
    # AV1
    "av1": _av1(),
    "av1_mkv": _av1("pred-struct=1", ".mkv"),
    "av1_open": _av1("irefresh-type=1:hierarchical-levels=3"),
    "av1_switch": _av1("sframe-dist=8:sframe-mode=1:pred-struct=1"),
    "av1_ten_bits": replace(_av1("film-grain=8", ".mkv"), pix_fmt="yuv420p10le"),
    # MPEG-1, MPEG-2, MPEG-4
    "mpeg2_ts": _mpeg(".ts", "mpeg2video"),
    "mpeg2_closed": _mpeg(".mkv", "mpeg2video", flags="+cgop", sc_threshold="1000000000"),
    "mpeg2_fields": _mpeg(".mpg", "mpeg2video", flags="+ildct+ilme"),
    "mpeg1": _mpeg(".mpg", "mpeg1video"),
    "mpeg4": _mpeg(".mp4", "mpeg4"),
    "mpeg4_no_b": _mpeg(".mp4", "mpeg4", bf="0", g="30"),
    "mpeg4_avi": _mpeg(".avi", "mpeg4", flags="+qpel"),
    "mpeg4_mkv": _mpeg(".mkv", "mpeg4", g="40"),
    # each frame by itself
    "mjpeg": replace(_recipe(".avi", "mjpeg"), pix_fmt="yuvj420p"),
    "prores": replace(_recipe(".mov", "prores_ks"), pix_fmt="yuv422p10le"),
    # of which nothing is known
    "flv1": _recipe(".flv", "flv", {"g": "20"}),
    "msmpeg4": _recipe(".avi", "msmpeg4", {"g": "20"}),
    "wmv2": _recipe(".wmv", "wmv2", {"g": "20"}),
    "h263": replace(_recipe(".3gp", "h263", {"g": "20"}), size=(128, 96)),
    "ffv1": _recipe(".mkv", "ffv1", {"g": "10", "context": "1"}),
    "snow": _recipe(".nut", "snow", {"g": "10"}),
}
"""The kinds by name."""

_OWN_PROCESS = "libvpx"
"""An encoder whose memory errors, if any, are to end no process but its own."""


def file_name(kind: str) -> str:
    """The kind with the suffix of its container."""
    return kind + KINDS[kind].suffix


def make(path: Path, kind: str) -> None:
    """Write a video of one of `KINDS`."""
    if KINDS[kind].codec != _OWN_PROCESS:
        write(path, KINDS[kind])
        return
    command = [sys.executable, "-m", "tests.index.decoding.kinds", str(path), kind]
    subprocess.run(command, check=True, timeout=60, env=os.environ | {"OMP_NUM_THREADS": "1"})


if __name__ == "__main__":
    write(Path(sys.argv[1]), KINDS[sys.argv[2]])
