"""Reading as little as needed; where anything is odd the rest is read in order, nothing twice."""

from collections.abc import Iterator
from typing import Any

import pytest

from index.decoding.frame_types import Frame, every
from index.decoding.headers.packet_facts import OddError
from index.decoding.in_order import decode_in_order
from index.decoding.pyav_decoder import decode_pyav
from index.decoding.selective import Needed, Run
from tests.truths import Generated, drain


def spans(frames: list[Frame]) -> list[tuple[float, float, bytes]]:
    return [(frame.time_s, frame.end_s, frame.image.tobytes()) for frame in frames]


@pytest.mark.parametrize("kind", ["b_frames", "variable_b_frames"])
def test_whatever_packet_turns_out_odd_the_frames_are_those_in_order(
    kind: str, generated: Generated, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, _ = generated(kind)
    frames, metadata = drain(decode_in_order(path, every(5.0), None, False))
    expected = spans(frames)
    send = Run.send
    for odd in range(1, 60, 7):
        sent = 0

        def fails(run: Run, packet: Any, skip: bool, odd: int = odd) -> Iterator[Needed]:
            nonlocal sent
            sent += 1
            if sent == odd:
                raise OddError("a reason")
            yield from send(run, packet, skip)

        monkeypatch.setattr(Run, "send", fails)
        others, other_metadata = drain(decode_pyav(path, every(5.0), None, False))
        assert sent >= odd
        assert spans(others) == expected
        assert other_metadata == metadata


def test_a_reading_that_is_given_up_closes_its_file(generated: Generated) -> None:
    frames = decode_pyav(generated("b_frames")[0], every(5.0), None, False)
    next(frames)
    frames.close()
    assert list(frames) == []
