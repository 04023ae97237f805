"""decord is trusted only where it is right: on every frame, however the times lie."""

import random
from bisect import bisect_right
from contextlib import suppress
from pathlib import Path

import av
import decord
import numpy as np
import pytest

from index.decoding import decord_decoder
from index.decoding.decord_decoder import decode_trusted, trusted_packets
from index.decoding.frame_types import Frame, VideoMetadata, each_of
from index.decoding.in_order import decode_in_order
from index.errors import VideoError
from tests.truths import CENTER, INTACT, TRUSTED, Generated, drain
from tests.videos import KINDS, read_number


def read(
    path: Path, times_s: list[float], *, clamp: bool = True
) -> tuple[list[Frame], VideoMetadata]:
    packets = trusted_packets(path)
    assert packets is not None
    return drain(decode_trusted(path, packets, each_of(times_s), None, clamp))


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_is_trusted_only_without_doubt(kind: str, generated: Generated) -> None:
    assert (trusted_packets(generated(kind)[0]) is not None) == (kind in TRUSTED)


@pytest.mark.parametrize("kind", [kind for kind in TRUSTED if kind in INTACT])
def test_what_is_trusted_is_right_on_every_frame(kind: str, generated: Generated) -> None:
    path, truth = generated(kind)
    packets = trusted_packets(path)
    assert packets is not None
    assert packets.times_s == pytest.approx([time_s for _, time_s in truth.frames], abs=1e-6)
    draw = random.Random(kind)
    every = list(packets.times_s)
    choices = [every, every[::5], every[1::13], every[-1:]]
    choices += [sorted(draw.sample(every, draw.randint(1, min(12, len(every))))) for _ in range(8)]
    for times_s in choices:
        frames, _ = read(path, times_s)
        assert [frame.time_s for frame in frames] == times_s
        number_at = dict(zip(every, truth.frames, strict=True))
        assert [read_number(f.image) for f in frames] == [number_at[t][0] for t in times_s]


@pytest.mark.parametrize("kind", [kind for kind in TRUSTED if kind in INTACT])
def test_times_clip_and_pixels_equal_pyavs_to_the_bit(kind: str, generated: Generated) -> None:
    path, _ = generated(kind)
    for fps in (0.9, 3.0):
        wanted = [k / fps for k in range(30)]
        frames, clip = read(path, wanted, clamp=False)
        others, other_clip = drain(decode_in_order(path, each_of(wanted), None, False))
        assert clip == other_clip
        assert [frame.time_s for frame in frames] == [frame.time_s for frame in others]
        for frame, other in zip(frames, others, strict=True):
            assert (np.asarray(frame.image) == np.asarray(other.image)).all()


def test_real_clips_it_is_trusted_with_are_read_as_by_pyav(clips: Path) -> None:
    trusted = 0
    for path in sorted((clips / "videos").iterdir()):
        packets = trusted_packets(path)
        if packets is not None:
            trusted += 1
            every = list(packets.times_s)
            times_s = every[3 :: max(1, len(every) // 6)]
            for frame, other in zip(
                read(path, times_s)[0],
                drain(decode_in_order(path, each_of(times_s), None, True))[0],
                strict=True,
            ):
                assert frame.time_s == other.time_s
                assert (np.asarray(frame.image) == np.asarray(other.image)).all()
    assert trusted >= 5


def _damaged_mp4s(source: Path, target: Path, count: int) -> list[set[int]]:
    """Files with one spoilt packet each; returns the numbers of that packet's GOP."""
    data = source.read_bytes()
    with av.open(str(source)) as container:
        packets = [p for p in container.demux(video=0) if p.pts is not None]
    order = sorted(p.pts or 0 for p in packets)
    keys = sorted(order.index(p.pts or 0) for p in packets if p.is_keyframe)
    draw = random.Random(5)
    gops = []
    for name in range(count):
        spoilt = bytearray(data)
        packet = draw.choice(packets)
        at, end = packet.pos or 0, (packet.pos or 0) + packet.size
        at += draw.choice([0, 4, 5, 8, 16])
        if draw.random() < 0.5:
            spoilt[at:end] = draw.randbytes(max(0, end - at))
        else:
            spoilt[draw.randrange(at, max(end, at + 1))] ^= 1 << draw.randrange(8)
        (target / f"{name}.mp4").write_bytes(spoilt)
        gop = bisect_right(keys, order.index(packet.pts or 0)) - 1
        gops.append(set(range(keys[gop], [*keys, len(packets)][gop + 1])))
    return gops


@pytest.mark.parametrize("kind", ["constant", "b_frames", "fragmented"])
@pytest.mark.parametrize("files", [15, pytest.param(150, marks=pytest.mark.slow)])
def test_damage_harms_its_own_gop_at_most_where_times_are_sparse(
    files: int, kind: str, generated: Generated, tmp_path: Path
) -> None:
    """Each sparse time makes decord skip to a key frame, which ends a miscount."""
    path, truth = generated(kind)
    number_at = {round(time_s, 6): number for number, time_s in truth.frames}
    read_at_all = 0
    for name, gop in enumerate(_damaged_mp4s(path, tmp_path, files)):
        damaged = tmp_path / f"{name}.mp4"
        packets = trusted_packets(damaged)
        if packets is None:
            continue
        for gap_s in (1.0, 1.3):
            times_s = [k * gap_s for k in range(4)]
            frames = decode_trusted(damaged, packets, each_of(times_s), None, True)
            try:
                for frame in frames:
                    number = number_at[round(frame.time_s, 6)]
                    assert number in gop or read_number(frame.image) == number
                    read_at_all += 1
            except VideoError:
                continue
    assert read_at_all > files


def test_times_that_fall_on_one_frame_decode_it_once(generated: Generated) -> None:
    path, _ = generated("constant")
    frames, _ = read(path, [1.0, 1.001, 1.039, 1.0399, 1.04])
    assert [read_number(frame.image) for frame in frames] == [25, 26]


def test_few_pictures_are_held_at_once(
    generated: Generated, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, _ = generated("constant")
    monkeypatch.setattr(decord_decoder, "_CHUNK_BYTES", 3 * 320 * 180 * 3)
    asked = []
    get_batch = decord.VideoReader.get_batch

    def noted(self: object, rows: list[int]) -> object:
        asked.append(len(rows))
        return get_batch(self, rows)

    monkeypatch.setattr(decord.VideoReader, "get_batch", noted)
    frames, _ = read(path, [k / 2 for k in range(8)], clamp=False)
    assert asked == [3, 3, 2]
    assert len(frames) == 8


def test_the_scaler_gives_the_sizes_asked_for(generated: Generated) -> None:
    path, _ = generated("b_frames")
    packets = trusted_packets(path)
    assert packets is not None
    frames, clip = drain(
        decode_trusted(path, packets, each_of([0.0, 2.0]), CENTER.scaled_size, False)
    )
    assert [frame.image.size for frame in frames] == [(398, 224)] * 2
    assert [read_number(frame.image) for frame in frames] == [0, 50]
    assert (clip.width, clip.height) == (320, 180)


def test_a_width_at_which_decord_may_fail_is_an_error_or_the_right_picture(
    generated: Generated,
) -> None:
    # Its scaler takes a width of 96 on some processors and refuses it on others.
    path, _ = generated("b_frames")
    packets = trusted_packets(path)
    assert packets is not None
    whole, _ = read(path, [0.0, 2.0])
    with suppress(VideoError):
        frames, _ = drain(
            decode_trusted(path, packets, each_of([0.0, 2.0]), lambda w, h: (96, 54), False)
        )
        for frame, full in zip(frames, whole, strict=True):
            small = np.asarray(full.image.resize((96, 54)), int)
            assert np.abs(np.asarray(frame.image) - small).mean() < 4


def test_what_decord_fails_at_is_one_line(
    generated: Generated, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_reader: object, _rows: list[int]) -> None:
        raise decord.DECORDError("Check failed: size\n at line 3")

    monkeypatch.setattr(decord.VideoReader, "get_batch", fail)
    with pytest.raises(VideoError, match=r"^decord cannot read it \(.*size.*; use --decoder auto$"):
        read(generated("b_frames")[0], [0.0])


def test_another_count_of_frames_is_an_error(generated: Generated) -> None:
    path, _ = generated("b_frames")
    packets = trusted_packets(path)
    assert packets is not None
    fewer = decord_decoder.Packets(packets.times_s[:-1], packets.metadata)
    with pytest.raises(VideoError, match="100 frames, the container 99"):
        drain(decode_trusted(path, fewer, each_of([0.0]), None, False))


def test_long_files_and_other_endings_are_left_to_pyav(
    generated: Generated, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, _ = generated("b_frames")
    for name, trusted in (("a.MP4", True), ("a.avi", False), ("a", False)):
        (tmp_path / name).write_bytes(path.read_bytes())
        assert (trusted_packets(tmp_path / name) is not None) == trusted
    monkeypatch.setattr(decord_decoder, "_LONGEST_S", 3.9)
    assert trusted_packets(path) is None


def test_large_pictures_are_left_to_pyav(generated: Generated) -> None:
    path, _ = generated("b_frames")
    assert trusted_packets(path, 320 * 180) is not None
    assert trusted_packets(path, 320 * 180 - 1) is None


def test_a_second_video_stream_is_a_doubt(generated: Generated, tmp_path: Path) -> None:
    path = tmp_path / "two.mp4"
    with av.open(str(generated("constant")[0])) as source, av.open(str(path), "w") as target:
        stream = source.streams.video[0]
        copies = [target.add_stream_from_template(stream) for _ in range(2)]
        packets = [p for p in source.demux(stream) if p.pts is not None]
        for packet in packets:
            packet.stream = copies[0]
            target.mux(packet)
            if packet.pts == 0:
                packet.stream = copies[1]
                target.mux(packet)
    with av.open(str(path)) as container:
        assert len(container.streams.video) == 2
    assert trusted_packets(path) is None
