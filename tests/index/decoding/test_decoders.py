"""`read` and `frames_at`: the right frame at any time, whichever decoder is behind them."""

import os
import random
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import decord
import pytest

from index.decoding import decord_decoder, in_order
from index.decoding.decoders import container_duration_s, frames_at, read
from index.decoding.frame_types import each_of, every
from index.errors import VideoError
from tests.truths import DECODABLE, Generated, allowed, check_numbers, drain, upright
from tests.videos import read_number


@pytest.mark.parametrize(("kind", "decoder"), DECODABLE)
def test_random_times_give_the_frame_shown_then(
    kind: str, decoder: str, generated: Generated
) -> None:
    path, truth = generated(kind)
    draw = random.Random(kind)
    for count in (1, 3, 12):
        times_s = sorted(draw.uniform(0, truth.duration_s - 0.001) for _ in range(count))
        frames = list(frames_at(path, times_s, decoder=decoder))
        assert len(frames) == count
        for time_s, frame in zip(times_s, frames, strict=True):
            assert round(frame.time_s, 6) in allowed(truth, time_s)
        check_numbers(truth, ((f.time_s, upright(kind, f.image)) for f in frames))


@pytest.mark.parametrize("kind", ["b_frames", "variable", "ntsc", "mkv"])
def test_a_frames_own_time_gives_that_frame(kind: str, generated: Generated) -> None:
    path, truth = generated(kind)
    numbers = [number for number, _ in truth.frames]
    for shift_s in (0.0, 5e-5, -5e-5):
        times_s = [max(0.0, time_s + shift_s) for _, time_s in truth.frames]
        assert [read_number(f.image) for f in frames_at(path, times_s)] == numbers


@pytest.mark.parametrize("decoder", ["pyav", "decord"])
def test_times_past_the_end_give_the_last_frame_only_when_clamped(
    decoder: str, generated: Generated
) -> None:
    path, truth = generated("b_frames")
    times_s = [3.9, truth.duration_s, truth.duration_s, 99.0]
    clamped = list(frames_at(path, times_s, decoder=decoder))
    assert [read_number(frame.image) for frame in clamped] == [97, 99, 99, 99]
    frames, _ = drain(read(path, each_of(times_s), decoder=decoder))
    assert [read_number(frame.image) for frame in frames] == [97]


def test_nothing_asked_gives_nothing(generated: Generated) -> None:
    path, truth = generated("b_frames")
    assert list(frames_at(path, [])) == []
    frames, clip = drain(read(path, each_of([])))
    assert frames == []
    assert clip.duration_s == pytest.approx(truth.duration_s)


def test_no_more_is_decoded_than_needed(
    generated: Generated, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, _ = generated("constant")
    decoded = 0
    shown = in_order.shown_frames

    def counted(reading: Any) -> Iterator[Any]:
        nonlocal decoded
        for item in shown(reading):
            decoded += 1
            yield item

    monkeypatch.setattr(in_order, "shown_frames", counted)
    assert [read_number(f.image) for f in frames_at(path, [0.1, 0.4], decoder="pyav")] == [2, 10]
    assert decoded == 12  # the frame after the last one wanted tells that that one is over


# AVI keeps no presentation times: FFmpeg shifts all of them by the depth of its B-frames.
@pytest.mark.parametrize(
    ("kind", "decoder"), [pair for pair in DECODABLE if pair[0] != "avi_b_frames"]
)
def test_duration_and_start_are_the_truths(kind: str, decoder: str, generated: Generated) -> None:
    path, truth = generated(kind)
    _, clip = drain(read(path, each_of([0.0]), decoder=decoder))
    assert clip.duration_s == pytest.approx(truth.duration_s, abs=1e-6)
    assert clip.start_s == pytest.approx(truth.start_s, abs=1e-4)


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("raw", "no timestamps.*put the stream into a container"),
        ("sound_only", "no video stream"),
        ("text", "cannot be opened as a video: Invalid data"),
        ("cut_fragmented_header", "cannot be opened as a video: Invalid data"),
    ],
)
def test_an_unusable_file_is_refused_in_one_line(
    kind: str, reason: str, generated: Generated
) -> None:
    path, _ = generated(kind)
    with pytest.raises(VideoError, match=reason) as caught:
        drain(read(path, every(2.0)))
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match="is not a file"):
        drain(read(tmp_path / "gone.mp4", each_of([0.0])))


def test_decord_alone_is_refused_where_it_is_not_known_to_be_right(generated: Generated) -> None:
    for kind in ("open_gop", "mpegts", "edit_list", "hevc", "raw", "text"):
        with pytest.raises(VideoError, match="use --decoder auto"):
            drain(read(generated(kind)[0], each_of([0.0]), decoder="decord"))


def test_nothing_takes_decord_unasked(
    generated: Generated, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, _ = generated("b_frames")
    used = []
    decord_reads = decord_decoder.decode_trusted

    def noted(path: Path, *args: Any) -> Any:
        used.append(path)
        return decord_reads(path, *args)

    monkeypatch.setattr(decord_decoder, "decode_trusted", noted)
    drain(read(path, every(0.5)))
    list(frames_at(path, [0.1, 2.0, 3.5]))
    assert used == []
    drain(read(path, every(0.5), decoder="decord"))
    assert len(used) == 1


def test_decord_that_gives_up_fails_the_video_in_one_line(
    generated: Generated, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: Any) -> Any:
        raise decord.DECORDError("[12:00:00] it broke\nhere")

    monkeypatch.setattr(decord.VideoReader, "get_batch", fails)
    with pytest.raises(VideoError, match=r"decord cannot read it \(.*it broke here\)"):
        drain(read(generated("b_frames")[0], every(2.0), decoder="decord"))


def remuxed(source: Path, target: Path, tag: str, text: bytes) -> Path:
    """A copy with `text`, whatever its bytes, as a tag of the container or of its video stream."""
    holder = b"X" * len(text)
    with av.open(str(source)) as read_from, av.open(str(target), "w") as container:
        stream = read_from.streams.video[0]
        copied = container.add_stream_from_template(stream)
        place = copied.metadata if tag == "handler_name" else container.metadata
        place[tag] = holder.decode()
        for packet in read_from.demux(stream):
            if packet.dts is not None:
                packet.stream = copied
                container.mux(packet)
    data = target.read_bytes()
    assert holder in data
    target.write_bytes(data.replace(holder, text))
    return target


@pytest.mark.parametrize("decoder", ["pyav", "decord"])
@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
@pytest.mark.parametrize("tag", ["title", "artist", "comment", "handler_name"])
def test_tags_that_are_not_utf8_cost_no_frame(
    tag: str, suffix: str, decoder: str, generated: Generated, tmp_path: Path
) -> None:
    plain, truth = generated("b_frames")
    text = "Ä Straße".encode("latin-1") + "đường".encode("utf-16-le")
    if tag == "handler_name" and suffix == ".mkv":
        suffix = ".m4v"  # Matroska has no handlers
    path = remuxed(plain, tmp_path / f"tagged{suffix}", tag, text)
    frames, metadata = drain(read(path, every(2.0), decoder=decoder))
    check_numbers(truth, ((frame.time_s, frame.image) for frame in frames))
    assert (len(frames), metadata.warnings) == (round(2 * truth.duration_s), [])
    assert container_duration_s(path) == pytest.approx(container_duration_s(plain), abs=0.1)


@pytest.mark.parametrize("name", [b"caf\xe9.mp4", "日本".encode("shift-jis") + b".mp4"])
def test_a_name_that_is_not_utf8_is_opened_or_refused_in_one_line(
    name: bytes, generated: Generated, tmp_path: Path
) -> None:
    path = tmp_path / os.fsdecode(name)
    source, truth = generated("b_frames")
    shutil.copy(source, path)
    frames, _ = drain(read(path, every(2.0)))
    check_numbers(truth, ((frame.time_s, frame.image) for frame in frames))
    with pytest.raises(VideoError, match=r"^decord cannot read it \(.*; use --decoder auto$"):
        drain(read(path, every(0.5), decoder="decord"))


def test_the_containers_duration_costs_no_decoding(generated: Generated) -> None:
    began_s = time.process_time()
    assert container_duration_s(generated("constant")[0]) == pytest.approx(4.0)
    assert time.process_time() - began_s < 1
    for kind in ("raw", "text"):
        assert container_duration_s(generated(kind)[0]) == 0.0
    assert container_duration_s(Path("no such file")) == 0.0
