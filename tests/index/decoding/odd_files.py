"""Files that are odd on purpose: made from those of `tests.index.decoding.kinds` and of each other.

path = make_odd(tmp_path, "part_vp9")
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np

from tests.index.decoding.h264_by_hand import without_vui, write_fields
from tests.index.decoding.kinds import KINDS, file_name, make, x264
from tests.videos import hide, write


class Part(NamedTuple):
    """A packet as it is written: the times in ticks of `tick`."""

    data: bytes
    pts: int
    dts: int
    key: bool


def parts_of(path: Path) -> tuple[list[Part], Fraction]:
    """The packets of a video, in its order, and the time base."""
    with av.open(path) as container:
        stream = container.streams.video[0]
        parts = [
            Part(bytes(p), p.pts or 0, p.dts or 0, p.is_keyframe)
            for p in container.demux(stream)
            if p.size and p.pts is not None
        ]
        return parts, stream.time_base or Fraction(1)


def remux(path: Path, source: Path, change: Callable[[list[Part]], Iterable[Part]]) -> Path:
    """Write the packets of a video anew, changed."""
    parts, tick = parts_of(source)
    with av.open(source) as whole, av.open(path, "w") as container:
        stream = container.add_stream_from_template(whole.streams.video[0], opaque=True)
        for part in change(parts):
            packet = av.Packet(part.data)
            packet.pts, packet.dts, packet.time_base = part.pts, part.dts, tick
            packet.is_keyframe = part.key
            packet.stream = stream
            container.mux(packet)
    return path


def _kind(folder: Path, kind: str) -> Path:
    path = folder / file_name(kind)
    if not path.exists():
        make(path, kind)
    return path


def _changed(
    kind: str, change: Callable[[list[Part]], Iterable[Part]], suffix: str = ""
) -> Callable[[Path, Path], Path]:
    """A maker of a kind whose packets are changed."""

    def make_it(folder: Path, stem: Path) -> Path:
        source = _kind(folder, kind)
        return remux(stem.with_suffix(suffix or source.suffix), source, change)

    return make_it


def _without(*lost: int) -> Callable[[list[Part]], list[Part]]:
    return lambda parts: [part for i, part in enumerate(parts) if i not in lost]


def _noise(*places: int, start: int = 12) -> Callable[[list[Part]], list[Part]]:
    """Noise over the second half of some packets; a packet of a few bytes is made all noise."""
    draw = np.random.default_rng(3)

    def change(parts: list[Part]) -> list[Part]:
        return [
            part._replace(data=part.data[:start] + draw.bytes(max(0, len(part.data) - start)))
            if i in places
            else part
            for i, part in enumerate(parts)
        ]

    return change


def _hidden(parts: list[Part]) -> list[Part]:
    """Every seventh frame of VP8 is shown no longer, but for key frames (RFC 6386 9.1)."""
    return [
        part._replace(data=bytes([part.data[0] & ~16]) + part.data[1:])
        if i % 7 == 3 and part.data[0] & 1
        else part
        for i, part in enumerate(parts)
    ]


def _not_referred_to(parts: list[Part]) -> list[Part]:
    """One H.264 frame in ten says falsely that no other refers to it (nal_ref_idc 0)."""
    return [
        part._replace(data=part.data[:4] + bytes([part.data[4] & 0x9F]) + part.data[5:])
        if i % 10 == 5 and part.data[4] & 31 == 1
        else part
        for i, part in enumerate(parts)
    ]


def _falsely_keyed(parts: list[Part]) -> list[Part]:
    """The file says of every tenth packet that it's a key frame, as some recorders do."""
    return [part._replace(key=part.key or i % 10 == 5) for i, part in enumerate(parts)]


def _one_time_twice(parts: list[Part]) -> list[Part]:
    return [p._replace(pts=parts[i + 1].pts) if i == 41 else p for i, p in enumerate(parts)]


def _joined(*kinds: str) -> Callable[[Path, Path], Path]:
    """Recordings joined by `cat`."""

    def make_it(folder: Path, stem: Path) -> Path:
        path = stem.with_suffix(KINDS[kinds[0]].suffix)
        path.write_bytes(b"".join(_kind(folder, kind).read_bytes() for kind in kinds))
        return path

    return make_it


def _sizes(suffix: str) -> Callable[[Path, Path], Path]:
    """A stream whose pictures become larger in the middle, with parameter sets in its packets."""

    def make_it(folder: Path, stem: Path) -> Path:
        small, large = _kind(folder, "x264_ts"), stem.with_suffix(".large.ts")
        write(large, replace(x264(suffix=".ts"), size=(160, 96)))
        later, tick = parts_of(large)
        shift = int(11 / tick)
        more = [p._replace(pts=p.pts + shift, dts=p.dts + shift) for p in later]
        return remux(stem.with_suffix(suffix), small, lambda parts: [*parts, *more])

    return make_it


def _shown_only(first: int, last: int) -> Callable[[Path, Path], Path]:
    def make_it(_folder: Path, stem: Path) -> Path:
        path = stem.with_suffix(".mp4")
        write(path, replace(x264(), time_base=Fraction(1, 25), spoil=hide(first, last)))
        return path

    return make_it


def _fields(suffix: str) -> Callable[[Path, Path], Path]:
    def make_it(_folder: Path, stem: Path) -> Path:
        path = stem.with_suffix(suffix)
        write_fields(path)
        return path

    return make_it


def _no_vui(folder: Path, stem: Path) -> Path:
    """H.264 that doesn't say how far its frames are reordered: the decoder learns it as it goes."""
    source = _kind(folder, "x264_ts")
    return remux(
        stem.with_suffix(".ts"),
        source,
        lambda parts: [part._replace(data=without_vui(part.data)) for part in parts],
    )


def _cut_off(kind: str, share: float) -> Callable[[Path, Path], Path]:
    def make_it(folder: Path, stem: Path) -> Path:
        data = _kind(folder, kind).read_bytes()
        path = stem.with_suffix(KINDS[kind].suffix)
        path.write_bytes(data[: int(len(data) * share)])
        return path

    return make_it


def _lost_188(folder: Path, stem: Path) -> Path:
    """A transport stream of which a piece of 188 bytes is missing, three times."""
    data = bytearray(_kind(folder, "x264_ts").read_bytes())
    for place in (90, 60, 30):
        at = place * len(data) // 100 // 188 * 188
        del data[at : at + 188]
    path = stem.with_suffix(".ts")
    path.write_bytes(data)
    return path


ODD: dict[str, Callable[[Path, Path], Path]] = {
    # begun between key frames
    **{
        f"part_{kind}": _changed(kind, lambda parts: parts[7:])
        for kind in (
            *("x264_ts", "x264_open_ts", "x264_refresh_ts", "x264_veryfast", "hevc_open_ts"),
            *("hevc_layers", "mpeg2_ts", "mpeg4_avi", "vp9", "vp8", "av1_mkv", "mpeg1"),
        )
    },
    "edit": _shown_only(17, 91),
    "edit_both": _shown_only(44, 82),
    "edit_late": _shown_only(81, 99),
    # joined, and of several sizes
    "joined": _joined("x264_ts", "x264_open_ts"),
    "joined_codecs": _joined("x264_ts", "mpeg2_ts"),
    "joined_sound": _joined("x264_sound_ts", "x264_sound_ts"),
    "joined_mpeg": _joined("mpeg1", "mpeg1"),
    "joined_flv": _joined("x264_flv", "x264_flv"),
    "sizes": _sizes(".ts"),
    "sizes_mkv": _sizes(".mkv"),
    # what packets say
    "hidden_vp8": _changed("vp8", _hidden),
    "no_vui": _no_vui,
    "not_referred_to": _changed("x264_no_b", _not_referred_to),
    "falsely_keyed": _changed("x264_veryfast", _falsely_keyed),
    "falsely_keyed_hevc": _changed("hevc_open", _falsely_keyed),
    "falsely_keyed_vp9": _changed("vp9", _falsely_keyed),
    "one_time_twice": _changed("x264_no_b", _one_time_twice, ".mkv"),
    "fields": _fields(".mkv"),
    "fields_mp4": _fields(".mp4"),
    "fields_ts": _fields(".ts"),
    # moved to another container
    "moved_mkv": _changed("x264_open", lambda parts: parts, ".mkv"),
    "moved_mov": _changed("mpeg4_avi", lambda parts: parts, ".mov"),
    "moved_vp9": _changed("vp9", lambda parts: parts, ".mkv"),
    "moved_av1": _changed("av1", lambda parts: parts, ".webm"),
    # packets that are not there, and noise in those that are
    **{
        f"lost_{kind}": _changed(kind, _without(*lost))
        for kind in (
            *("x264_no_b", "x264_pyramid", "x264_open", "x264_refresh", "hevc", "hevc_layers"),
            *("vp9", "vp8", "av1", "mpeg2_ts", "mpeg4_avi", "mpeg4", "prores"),
        )
        for lost in [(30, 44, 45, 46, 75)]
    },
    **{
        f"noise_{kind}": _changed(kind, _noise(20, 33, 34, 70, 91))
        for kind in (
            *("x264_no_b", "x264_pyramid", "x264_open", "x264_ts", "x264_refresh", "hevc"),
            *("hevc_layers", "vp9", "vp8", "mpeg2_ts", "mpeg4_avi", "mpeg4", "mjpeg"),
        )
    },
    "noise_last": _changed("x264_pyramid", _noise(99)),
    "noise_first": _changed("x264_pyramid", _noise(0)),
    "noise_last_vp9": _changed("vp9", _noise(99)),
    "pieces": _lost_188,
    "end_ts": _cut_off("x264_ts", 0.61),
    "end_fragments": _cut_off("x264_fragments", 0.73),
    "end_mkv": _cut_off("x264_uneven_mkv", 0.55),
    "end_vp9": _cut_off("vp9", 0.8),
    "end_avi": _cut_off("mpeg4_avi", 0.5),
}
"""Makers by name: (folder of the kinds, path without its suffix) -> path."""


def make_odd(folder: Path, name: str) -> Path:
    """Make one of `ODD` in a folder; the kinds that it needs are made there too."""
    return ODD[name](folder, folder / f"odd_{name}")
