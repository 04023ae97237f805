"""What packets say of themselves holds when they are decoded: starts are starts, nobody misses the
droppable ones."""

from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any

import av
import pytest
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext

from index.decoding.groups import facts_reader
from index.decoding.headers.packet_facts import OddError, PacketFacts, Start
from tests.truths import Generated
from tests.videos import MPEG4, Recipe, write

Facts = list[tuple["Packet[Any]", PacketFacts]]

MPEG2 = {"threads": "1", "g": "12", "bf": "2", "b": "2000000"}
KINDS = [
    *("b_frames", "mpegts", "open_gop", "hevc", "hevc_open_gop", "vp9", "av1", "avi_b_frames"),
    *("mpeg2_ts", "mpeg4_mp4", "prores"),
]
STARTS = {
    **dict.fromkeys(("b_frames", "mpegts", "vp9", "av1", "prores"), Start.CLEAN),
    **dict.fromkeys(("open_gop", "hevc", "hevc_open_gop", "avi_b_frames"), Start.OPEN),
    **dict.fromkeys(("mpeg2_ts", "mpeg4_mp4"), Start.OPEN),
}
NOT_DROPPABLE = {"vp9", "prores"}
RECIPES = {
    "mpeg2_ts": Recipe(".ts", "mpeg2video", MPEG2),
    "mpeg4_mp4": Recipe(".mp4", "mpeg4", MPEG4 | {"bf": "2"}),
    "prores": Recipe(
        ".mov", "prores_ks", size=(160, 96), pix_fmt="yuv422p10le", pts=tuple(range(20))
    ),
}


def video(kind: str, generated: Generated) -> Path:
    if kind not in RECIPES:
        return generated(kind)[0]
    path = generated.folder / f"facts_{kind}{RECIPES[kind].suffix}"
    if not path.exists():
        write(path, RECIPES[kind])
    return path


def read(path: Path) -> tuple[VideoCodecContext, Facts]:
    """A decoder, and the packets with their facts."""
    with av.open(path) as container:
        codec = container.streams.video[0].codec_context
        read_facts = facts_reader(codec)
        packets = [p for p in container.demux(video=0) if p.size]
    return codec, [(packet, read_facts(bytes(packet))) for packet in packets]


def decoded(path: Path, skip: bool = False, first: int = 0) -> dict[int, bytes]:
    """Pictures by their time, of the packets from one on; the droppable ones may be skipped."""
    pictures: dict[int, bytes] = {}
    with av.open(path) as container:
        stream = container.streams.video[0]
        stream.thread_type = "NONE"
        codec = stream.codec_context
        read_facts = facts_reader(codec)
        for packet in islice(container.demux(stream), first, None):
            if packet.size and read_facts(bytes(packet)).is_droppable and skip:
                if codec.codec.canonical_name == "av1":
                    continue
                codec.skip_frame = "NONREF"
            for frame in codec.decode(packet):
                pictures[frame.pts or 0] = frame.to_ndarray().tobytes()
            codec.skip_frame = "DEFAULT"
    return pictures


@pytest.mark.parametrize("kind", KINDS)
def test_no_frame_misses_the_droppable_ones(kind: str, generated: Generated) -> None:
    path = video(kind, generated)
    everything, kept = decoded(path), decoded(path, skip=True)
    assert kept.items() <= everything.items()
    _, facts = read(path)
    needed = {p.pts for p, f in facts if f.is_shown and not f.is_droppable}
    assert needed <= kept.keys()
    assert (len(kept) == len(everything)) == (kind in NOT_DROPPABLE)


@pytest.mark.parametrize("kind", KINDS)
def test_all_after_a_start_is_right(kind: str, generated: Generated) -> None:
    path = video(kind, generated)
    everything = decoded(path)
    _, facts = read(path)
    starts = [
        (row, packet.pts or 0, fact.start)
        for row, (packet, fact) in enumerate(facts)
        if fact.start is not Start.NONE and packet.is_keyframe
    ]
    assert len(starts) >= 3
    assert {start for _, _, start in starts} <= {STARTS[kind], Start.CLEAN}
    for row, pts, start in starts[1::2]:
        later = {at: picture for at, picture in everything.items() if at >= pts}
        found = decoded(path, first=row)
        if start is Start.CLEAN:
            assert found == later
        else:
            assert {at: picture for at, picture in found.items() if at >= pts} == later


@pytest.mark.parametrize("kind", ["b_frames", "hevc", "av1", "mpeg2_ts", "mpeg4_mp4"])
def test_cut_packets_are_odd_or_read(kind: str, generated: Generated) -> None:
    codec, facts = read(video(kind, generated))
    read_facts = facts_reader(codec)
    for packet, _ in facts[:6]:
        data = bytes(packet)
        for size in range(min(60, len(data))):
            try:
                read_facts(data[:size])
            except (OddError, IndexError):
                continue


def test_hidden_frames_of_vp9_come_in_superframes(generated: Generated) -> None:
    _, facts = read(video("vp9", generated))
    assert all(fact.is_shown for _, fact in facts)
    assert Fraction(len(facts)) == 75
