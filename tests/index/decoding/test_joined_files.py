"""A second recording behind the first that no player reads is told, and nothing else is."""

from pathlib import Path

import pytest

from index.decoding.frame_types import each_of
from index.decoding.joined_files import unread_share
from index.decoding.pyav_decoder import decode_pyav
from tests.index.decoding.test_clock import B_FRAMES, middles, shown, write
from tests.truths import INTACT, Generated, drain
from tests.videos import VP9


@pytest.mark.parametrize(
    ("suffix", "codec", "count", "read", "options"),
    [
        (".mp4", "libx264", 2, 1, B_FRAMES),
        (".mov", "mpeg4", 3, 1, {"g": "12", "b": "4M"}),
        (".flv", "libx264", 2, 1, B_FRAMES),
        (".wmv", "libx264", 2, 1, B_FRAMES),
        (".mkv", "libx264", 3, 2, B_FRAMES),
        (".webm", "libvpx-vp9", 4, 2, VP9),
    ],
)
def test_what_is_not_read_is_told(
    suffix: str, codec: str, count: int, read: int, options: dict[str, str], tmp_path: Path
) -> None:
    one = write(tmp_path / f"one{suffix}", range(50), codec=codec, options=options)
    _, metadata = shown(one, middles(50))
    assert metadata.warnings == []
    path = tmp_path / f"joined{suffix}"
    path.write_bytes(one.read_bytes() * count)
    numbers, metadata = shown(path, middles(50 * count))
    assert numbers == [*range(50)] * read
    told = [warning for warning in metadata.warnings if warning.startswith("joined: ")]
    assert len(told) == 1
    share = int(told[0].split("follows, ")[1].split(" %")[0])
    assert share == pytest.approx(100 * (count - read) / count, abs=2)


@pytest.mark.parametrize("kind", INTACT)
def test_sound_files_hold_one_recording(kind: str, generated: Generated) -> None:
    _, metadata = drain(decode_pyav(generated(kind)[0], each_of([0.0]), None, False))
    assert not any(warning.startswith("joined") for warning in metadata.warnings)


def test_a_share_counts_from_where_the_other_recording_starts(tmp_path: Path) -> None:
    path = tmp_path / "a.flv"
    path.write_bytes(b"x" * 600 + b"FLV\x01" + b"y" * 396)
    assert unread_share(path, "flv", 500) == 0.4
    assert unread_share(path, "flv", 604) == 0.0
    assert unread_share(path, "avi", 500) == 0.0
    assert unread_share(path, "flv", 1000) == 0.0
    assert unread_share(path, "flv", -1) == 0.0  # where packets tell no place
