"""Decoding on a card: what is refused, what stays in software, and that pixels are the same."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace

from index.build import BuildConfig, build
from index.decoding import cuda_decoder
from index.decoding.cuda_decoder import (
    SESSIONS,
    card,
    decodable_layout,
    decode_cuda,
    has_session,
    laid_out,
)
from index.decoding.decoders import read
from index.decoding.display import Display
from index.decoding.frame_types import every
from index.decoding.in_order import decode_in_order
from index.errors import CueframeError
from tests.paths import ROOT
from tests.truths import Generated, drain

no_card = pytest.mark.skipif(Path("/dev/nvidiactl").exists(), reason="there is a card")


@pytest.fixture
def own_sessions(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Places of a card of these tests' own, given back at the end."""
    monkeypatch.setenv("LOCAL_RANK", str(10_000 + os.getpid()))
    held: list[socket.socket] = []
    monkeypatch.setattr(cuda_decoder, "_PLACE", held)
    yield
    for place in held:
        place.close()


@no_card
def test_without_a_card_it_says_so_in_one_line(generated: Generated) -> None:
    with pytest.raises(CueframeError, match="--decoder cuda cannot open NVIDIA card 0 "):
        next(read(generated("b_frames")[0], every(2), decoder="cuda"))
    with pytest.raises(CueframeError, match=r"card 7 .*leave --decoder out"):
        card(7)


@no_card
def test_a_build_without_a_card_ends_with_that_line(
    generated: Generated, tiny_model: Path, tmp_path: Path
) -> None:
    videos = generated("b_frames")[0]
    config = BuildConfig(
        videos=videos, index=tmp_path / "index", model=str(tiny_model), decoder="cuda", workers=1
    )
    with pytest.raises(CueframeError, match="cannot open NVIDIA card 0"):
        build(config)


@pytest.mark.parametrize(
    ("kind", "layout"),
    [
        ("b_frames", "yuv420p"),
        ("vp9", "yuv420p"),
        ("mpegts", "yuv420p"),
        ("av1", None),
        ("hevc", "yuv420p"),
        ("avi", None),
        ("ten_bit", None),
        ("text", None),
        ("sound_only", None),
    ],
)
def test_what_the_card_decodes(kind: str, layout: str | None, generated: Generated) -> None:
    assert decodable_layout(generated(kind)[0]) == layout


@pytest.mark.parametrize("kind", ["b_frames", "av1", "rotation", "variable"])
def test_frames_that_come_in_software_are_those_of_the_other_decoders(
    kind: str, generated: Generated, monkeypatch: pytest.MonkeyPatch, own_sessions: None
) -> None:
    """Without a card PyAV is given none, which is what it falls back to."""
    monkeypatch.setattr(cuda_decoder, "card", lambda number: None)
    path = generated(kind)[0]
    found, told = drain(decode_cuda(path, every(3), None, False))
    expected, other = drain(decode_in_order(path, every(3), None, False))
    assert told == other
    assert [frame[:2] for frame in found] == [frame[:2] for frame in expected]
    for frame, same in zip(found, expected, strict=True):
        assert (np.asarray(frame.image) == np.asarray(same.image)).all()


def as_from_a_card(frame: VideoFrame) -> VideoFrame:
    """The same picture in nv12, as a card gives it."""
    given = VideoFrame(frame.width, frame.height, "nv12")
    luma, blue, red = (
        np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)
        for plane in frame.planes
    )
    half = (frame.width + 1) // 2
    for plane, values in zip(
        given.planes,
        (luma[:, : frame.width], np.dstack([blue[:, :half], red[:, :half]])),
        strict=True,
    ):
        rows = values.reshape(len(values), -1)
        to = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)
        to[:, : rows.shape[1]] = rows
    given.color_range, given.colorspace = frame.color_range, frame.colorspace
    return given


@pytest.mark.parametrize("size", [(320, 180), (322, 182), (321, 181), (64, 48), (1280, 720)])
@pytest.mark.parametrize("layout", ["yuv420p", "yuvj420p"])
@pytest.mark.parametrize("colours", [Colorspace.DEFAULT, Colorspace.ITU709, Colorspace.SMPTE170M])
def test_a_cards_frame_has_the_pixels_of_software(
    size: tuple[int, int], layout: str, colours: Colorspace
) -> None:
    frame = VideoFrame(*size, layout)
    draw = np.random.default_rng(0)
    for plane in frame.planes:
        plane.update(draw.bytes(plane.buffer_size))
    frame.colorspace = colours
    frame.color_range = ColorRange.JPEG if layout == "yuvj420p" else ColorRange.MPEG
    again = laid_out(as_from_a_card(frame), layout)
    assert again.format.name == layout
    for plane, same in zip(again.planes, frame.planes, strict=True):
        rows, others = (
            np.frombuffer(memoryview(one), np.uint8).reshape(one.height, -1)[:, : one.width]
            for one in (plane, same)
        )
        assert (rows == others).all()
    for scale in (None, lambda width, height: (224, 126)):
        ours, theirs = (np.asarray(Display().picture(one, scale)) for one in (again, frame))
        assert (ours == theirs).all()


def test_a_decoded_frame_from_a_card_is_shown_as_software_shows_it(generated: Generated) -> None:
    with av.open(str(generated("b_frames")[0])) as container:
        for frame in container.decode(video=0):
            again = laid_out(as_from_a_card(frame), "yuv420p")
            ours, theirs = (np.asarray(Display().picture(one, None)) for one in (again, frame))
            assert (ours == theirs).all()
            assert laid_out(frame, "yuv420p") is frame


HOLD = (
    "from index.decoding.cuda_decoder import has_session\n"
    "print(has_session(), has_session(), flush=True)\n"
    "input()\n"
)


def test_so_many_processes_decode_on_a_card_at_once(own_sessions: None) -> None:
    def start() -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", HOLD],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )

    def answer(process: subprocess.Popen[str]) -> str:
        assert process.stdout is not None
        return process.stdout.readline()

    assert has_session()
    others = [start() for _ in range(SESSIONS)]
    try:
        said = sorted(map(answer, others))
        assert said == ["False False\n"] + ["True True\n"] * (SESSIONS - 1)
        others[0].kill()
        others[0].wait()
        others[1].kill()  # of the two one had a place
        others[1].wait()
        others.append(start())
        assert answer(others[-1]) == "True True\n"
    finally:
        for process in others:
            process.kill()
            process.communicate()


def test_a_process_beyond_the_sessions_does_not_open_the_card(
    generated: Generated, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cuda_decoder, "has_session", lambda: False)
    monkeypatch.delattr(cuda_decoder, "card")
    path = generated("b_frames")[0]
    found, _ = drain(decode_cuda(path, every(2), None, False))
    assert len(found) == 8
