"""No frame differs from decoding in order, whatever kind of file it comes from.

The long form damages the kinds by seeds. One damaged file alone:

    CUEFRAME_DAMAGED=1234 pytest -m slow tests/index/decoding/test_every_kind.py
"""

import os
from collections.abc import Iterator
from pathlib import Path

import av
import pytest

from index.decoding.decoders import read
from index.decoding.frame_types import every
from index.decoding.libav_errors import LibavErrors
from tests.faults.mutants import Source, make_mutant
from tests.index.decoding.kinds import KINDS, file_name, make
from tests.index.decoding.odd_files import ODD, make_odd
from tests.index.decoding.same_frames import RATES, differences
from tests.truths import drain

_DAMAGED = ("lost", "noise", "end", "pieces", "not")
INTACT_ODD = tuple(name for name in ODD if not name.startswith(_DAMAGED))
FEW_RATES = (2.0, 0.5, 0.1)
LONG_ONLY = {
    *("x264_nut", "x264_mov", "x264_444", "x264_late", "x264_uneven_mkv", "x264_still_mkv"),
    *("x264_strict", "x264_all_keys", "x264_two", "hevc_ten_bits", "hevc_radl", "vp9_mp4"),
    *("av1_ten_bits", "mpeg4_mkv", "flv1", "wmv2", "h263", "snow", "ffv1"),
}
SHORT = tuple(kind for kind in KINDS if kind not in LONG_ONLY)
SHORT_ODD = tuple(name for name in ODD if not name.startswith(("lost", "end")))
IN_ORDER = {
    *("flv1", "msmpeg4", "wmv2", "h263", "ffv1", "snow"),  # codecs of which nothing is known
    "vp8",  # damage is not told there
    *("x264_avi", "x264_asf"),  # no times of presentation
    "x264_still_ts",  # the clock may have jumped
}
"""Kinds that are decoded in order, as they can be mistaken otherwise."""
ONE_GROUP = {
    *("x264_one_key", "x264_refresh", "x264_refresh_ts", "hevc_refresh"),
    *("av1_open", "av1_switch", "mpeg4_mkv", "x264_one", "x264_two"),
}
LONG_SEEDS = 1200


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where each kind is made once."""
    return tmp_path_factory.mktemp("kinds")


def kind_in(folder: Path, kind: str) -> Path:
    path = folder / file_name(kind)
    if not path.exists():
        make(path, kind)
    return path


@pytest.mark.parametrize("kind", SHORT)
def test_all_frames_are_those_of_decoding_in_order(kind: str, folder: Path) -> None:
    assert differences(kind_in(folder, kind), rates=FEW_RATES) == []


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_all_frames_are_those_of_decoding_in_order_at_all_rates(kind: str, folder: Path) -> None:
    found = [differences(kind_in(folder, kind), seed) for seed in range(4)]
    assert found == [[]] * 4


@pytest.mark.parametrize("name", SHORT_ODD)
def test_odd_files_show_the_same_frames(name: str, folder: Path) -> None:
    path = make_odd(folder, name)
    intact = None if name in INTACT_ODD else path
    assert differences(path, damaged_of=intact, rates=(2.0, 0.5)) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", ODD)
def test_odd_files_show_the_same_frames_at_all_rates(name: str, folder: Path) -> None:
    path = make_odd(folder, name)
    intact = None if name in INTACT_ODD else path
    found = [differences(path, seed, intact, (12.5, *RATES)) for seed in range(4)]
    assert found == [[]] * 4


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """The packets that went to a decoder."""
    packets: list[object] = []
    of = LibavErrors.of

    def noted(self: LibavErrors, packet: "av.Packet[av.VideoStream]") -> LibavErrors:
        if packet.size:
            packets.append(packet.pts)
        return of(self, packet)

    monkeypatch.setattr(LibavErrors, "of", noted)
    return packets


@pytest.mark.parametrize("kind", SHORT)
def test_what_is_not_needed_is_not_decoded(kind: str, folder: Path, sent: list[object]) -> None:
    path = kind_in(folder, kind)
    with av.open(path) as container:
        count = sum(packet.size > 0 for packet in container.demux(video=0))
    drain(read(path, every(0.1)))
    share = len(sent) / count
    if kind in IN_ORDER:
        assert share >= 1
    elif kind in ONE_GROUP:
        assert share <= 1
    else:
        assert share < 0.75


def test_the_short_form_has_the_kinds_that_people_have() -> None:
    assert {KINDS[kind].codec for kind in SHORT} >= {
        *("libx264", "libx265", "libvpx", "libvpx-vp9", "libsvtav1"),
        *("mpeg1video", "mpeg2video", "mpeg4", "mjpeg", "prores_ks"),
    }


def sources(folder: Path) -> list[Source]:
    """The kinds that are damaged by seeds."""
    made = []
    for kind, recipe in KINDS.items():
        path = kind_in(folder, kind)
        with av.open(path) as container:
            packets = [(p.pos or 0, p.size) for p in container.demux(video=0) if p.size]
        if len(packets) > 2:
            made.append(Source(recipe.suffix[1:], kind, path.read_bytes(), packets))
    return made


def damaged(seeds: range, folder: Path, tmp_path: Path) -> Iterator[str]:
    """Lines about the damaged files of which a frame differs."""
    intact = sources(folder)
    for seed in seeds:
        mutant = make_mutant(seed, intact)
        path = tmp_path / f"{seed}.{mutant.source.container}"
        path.write_bytes(mutant.data)
        intact_path = kind_in(folder, mutant.source.codec)
        found = differences(path, seed, damaged_of=intact_path)
        yield from (f"{mutant}: {line}" for line in found)
        path.unlink()


def test_damaged_files_show_the_same_frames(folder: Path, tmp_path: Path) -> None:
    assert list(damaged(range(6), folder, tmp_path)) == []


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_many_damaged_files_show_the_same_frames(folder: Path, tmp_path: Path) -> None:
    chosen = os.environ.get("CUEFRAME_DAMAGED")
    seeds = range(int(chosen), int(chosen) + 1) if chosen else range(6, LONG_SEEDS)
    assert list(damaged(seeds, folder, tmp_path)) == []


@pytest.mark.slow
def test_real_clips_show_the_same_frames(clips: Path) -> None:
    for path in sorted((clips / "videos").iterdir()):
        assert differences(path, seed=1) == []


def test_broken_clips_show_the_same_frames(clips: Path) -> None:
    for path in sorted((clips / "broken").iterdir()):
        assert differences(path, damaged_of=path, rates=(1.0,)) == []
