"""Decoding what is wanted alone gives the frames, times and metadata of decoding in order."""

import random
from collections.abc import Iterator
from hashlib import blake2b
from itertools import count, takewhile
from pathlib import Path
from typing import Any

import pytest

from index.decoding import groups
from index.decoding.decoders import frames_at
from index.decoding.frame_types import Frame, VideoMetadata, each_of, every
from index.decoding.headers.packet_facts import OddError
from index.decoding.in_order import decode_in_order
from index.decoding.pyav_decoder import decode_pyav
from index.decoding.selective import Needed, Run, decode_selected
from tests.truths import INTACT, USABLE, Generated, drain, shown_at

RATES = (4.0, 2.0, 1.0, 0.5, 0.1)
NOTHING_SAID = "damaged_pictures"
"""Its damage is within pictures, so it goes unnoticed where they are not decoded."""


def summary(frame: Frame) -> tuple[float, float, tuple[int, int], bytes]:
    digest = blake2b(frame.image.tobytes()).digest()
    return frame.time_s, frame.end_s, frame.image.size, digest


class InOrder:
    """All frames of the generated videos by the reference, read once."""

    def __init__(self) -> None:
        self._read: dict[Path, tuple[list[Frame], VideoMetadata]] = {}

    def __call__(self, path: Path) -> tuple[list[Frame], VideoMetadata]:
        if path not in self._read:
            self._read = {path: drain(decode_in_order(path, every(5000.0), None, False))}
        return self._read[path]


in_order = InOrder()


class Sent:
    """Counts the packets that are decoded."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        send = Run.send

        def counted(run: Run, packet: Any, skip: bool) -> Iterator[Needed]:
            self.count += not skip
            return send(run, packet, skip)

        monkeypatch.setattr(Run, "send", counted)


@pytest.mark.parametrize("kind", USABLE)
def test_frames_and_metadata_are_those_in_order(kind: str, generated: Generated) -> None:
    path, _ = generated(kind)
    frames, metadata = in_order(path)
    for fps in RATES:
        times_s = takewhile(lambda t: t < metadata.duration_s, (k / fps for k in count()))
        at_times = shown_at(frames, times_s, metadata.duration_s)
        once = {frame.time_s: summary(frame) for frame in at_times}
        found, told = drain(decode_pyav(path, every(fps), None, False))
        assert [summary(frame) for frame in found] == list(once.values())
        if kind != NOTHING_SAID:
            assert told == metadata


@pytest.mark.parametrize("kind", [*INTACT, "cut_mpegts"])
def test_frames_at_random_times_are_those_in_order(kind: str, generated: Generated) -> None:
    path, _ = generated(kind)
    frames, metadata = in_order(path)
    draw = random.Random(kind)
    for size in (1, 4):
        times_s = sorted(draw.uniform(0, metadata.duration_s) for _ in range(size))
        expected = map(summary, shown_at(frames, times_s, metadata.duration_s))
        assert list(map(summary, frames_at(path, times_s))) == list(expected)


# What cannot be decoded in part: a few packets, or no times of presentation.
WHOLE = ("one_frame", "slow", "raw", "cut", "cut_fragmented", "damaged")


@pytest.mark.parametrize("kind", [kind for kind in USABLE if kind not in WHOLE])
def test_no_more_is_decoded_than_a_share(
    kind: str, generated: Generated, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, _ = generated(kind)
    frames, _ = in_order(path)
    sent = Sent(monkeypatch)
    drain(decode_selected(path, every(0.5), None, False))  # and nothing is odd
    assert sent.count < 0.6 * len(frames)


def test_a_group_that_is_cut_is_decoded_without_a_gap(
    generated: Generated, monkeypatch: pytest.MonkeyPatch
) -> None:
    for kind in ("b_frames", "hevc_open_gop", "vp9"):
        path, _ = generated(kind)
        frames, metadata = in_order(path)
        for reach, most in ((5, 10), (4, 11)):
            monkeypatch.setattr(groups, "REACH", reach)
            monkeypatch.setattr(groups, "MOST_PACKETS", most)
            found, told = drain(decode_selected(path, every(2.0), None, False))
            times_s = [k / 2 for k in range(8)]
            at_times = shown_at(frames, times_s, metadata.duration_s)
            assert list(map(summary, found)) == list(map(summary, at_times))
            assert told == metadata


@pytest.mark.parametrize("kind", ["raw", "cut", "damaged"])
def test_odd_files_are_left_to_the_reading_in_order(kind: str, generated: Generated) -> None:
    with pytest.raises(OddError):
        drain(decode_selected(generated(kind)[0], each_of([0.0]), None, False))


def test_the_last_frame_is_given_past_the_end_where_that_is_asked(generated: Generated) -> None:
    path, truth = generated("b_frames")
    for clamp in (True, False):
        found, _ = drain(decode_selected(path, each_of([99.0]), None, clamp))
        assert [frame.time_s for frame in found] == [truth.frames[-1][1]] * clamp
