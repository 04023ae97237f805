"""A video is decoded once; kept frames give the very same events, unless its content changed."""

import os
import shutil
from collections.abc import Generator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from index.decoding.sampler import FrameSampler
from index.decoding.worker_pool import Chunk, Done, Event, Failed, Opened, decode_all
from index.errors import CueframeError
from index.models.preprocess import ImageTransform, ViewMode
from tests.fixtures_train import world
from train.pictures import videos as module
from train.pictures.store import folder_for
from train.pictures.videos import decoded_or_kept
from train.pictures.writing import PairWriter


def sampler(mode: ViewMode = "tiles") -> FrameSampler:
    view = ImageTransform(mode=mode, height=8, width=8, shortest_edge=8, resample=3, fill=(0, 0, 0))
    return FrameSampler(fps=2.0, transform=view)


@pytest.fixture
def jobs(tmp_path: Path) -> list[str]:
    """Three videos, the second of which cannot be decoded."""
    (tmp_path / "videos").mkdir()
    paths = [tmp_path / "videos" / name for name in ("a.mp4", "bad.mp4", "c.mp4")]
    for path, own in zip(paths[::2], sorted(world().videos.iterdir()), strict=False):
        shutil.copyfile(own, path)
    paths[1].write_bytes(b"no video")
    return [str(path) for path in paths]


def comparable(event: Event) -> tuple[object, ...]:
    if isinstance(event, Chunk):
        pixels = event.pixels.tobytes()
        return "chunk", event.job, event.time_s, event.end_s, event.tiles, pixels
    if isinstance(event, Done):
        return "done", event.job, event.metadata
    return (event,)


def seen(events: Generator[Event, None, None]) -> list[tuple[object, ...]]:
    return [comparable(event) for event in events]


def decoded(jobs: list[str], mode: ViewMode = "tiles") -> list[tuple[object, ...]]:
    return seen(decode_all(jobs, sampler(mode), side=(8, 8), workers=1, limit_s=None))


def kept(jobs: list[str], pictures: Path, mode: ViewMode = "tiles") -> list[tuple[object, ...]]:
    read = sampler(mode)
    return seen(
        decoded_or_kept(jobs, read, side=(8, 8), workers=1, limit_s=None, pictures=pictures)
    )


def only(*allowed: str) -> Any:
    """Decoding that may be asked for these videos alone."""

    def decode(jobs: list[str], *args: Any, **how: Any) -> Generator[Event, None, None]:
        assert {Path(job).name for job in jobs} == {*allowed}
        return decode_all(jobs, *args, **how)

    return decode


def test_kept_frames_are_those_that_were_decoded(
    jobs: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = decoded(jobs)
    assert any(isinstance(event[0], Failed) for event in expected)
    assert kept(jobs, tmp_path / "p") == expected
    good = [jobs[0], jobs[2]]
    monkeypatch.setattr(module, "decode_all", only())
    assert kept(good, tmp_path / "p") == decoded(good)
    monkeypatch.setattr(module, "decode_all", only("a.mp4", "bad.mp4", "c.mp4"))
    kept(jobs, tmp_path / "p", "center")  # another transform is another thing


def test_the_order_is_that_of_decoding_all(
    jobs: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept(jobs[:1], tmp_path / "p")
    monkeypatch.setattr(module, "decode_all", only("bad.mp4", "c.mp4"))
    assert kept(jobs, tmp_path / "p") == decoded(jobs)
    monkeypatch.setattr(module, "decode_all", only("bad.mp4"))
    assert kept(jobs[::-1], tmp_path / "p") == decoded(jobs[::-1])


def test_a_replaced_video_is_decoded_and_a_moved_one_is_not(
    jobs: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept(jobs, tmp_path / "p")
    first, other = Path(jobs[0]), Path(jobs[2])
    stamp = first.stat()
    shutil.copyfile(other, first)
    os.utime(first, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    monkeypatch.setattr(module, "decode_all", only())
    assert kept(jobs[:1], tmp_path / "p") == decoded(jobs[:1])  # it is the other's content
    monkeypatch.setattr(module, "decode_all", only("a.mp4"))
    shutil.copyfile(sorted(world().videos.iterdir())[3], first)
    assert kept(jobs[:1], tmp_path / "p") == decoded(jobs[:1])
    moved = other.rename(tmp_path / "moved.mp4")
    monkeypatch.setattr(module, "decode_all", only())
    assert kept([str(moved)], tmp_path / "p") == decoded([str(moved)])


def test_a_video_that_changes_while_it_is_decoded_is_not_kept(
    jobs: list[str], tmp_path: Path
) -> None:
    how: Any = {"side": (8, 8), "workers": 1, "limit_s": None, "pictures": tmp_path / "p"}
    for event in decoded_or_kept(jobs[:1], sampler(), **how):
        if isinstance(event, Opened):
            os.utime(jobs[0])
    assert not list((tmp_path / "p").rglob("*.pixels"))


@pytest.mark.parametrize("trouble", ["little room", "a full disk", "a file in its place"])
def test_without_room_each_time_decodes_and_one_line_says_so(
    jobs: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    trouble: str,
) -> None:
    if trouble == "little room":
        monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=10_000))
    elif trouble == "a full disk":

        def full(*_: Any) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(PairWriter, "add", full)
    else:
        (tmp_path / "p").write_text("")
    expected = decoded(jobs)
    assert kept(jobs, tmp_path / "p") == expected
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1
    assert "each validation decodes" in said[0]
    assert "--pictures" in said[0]
    assert not list(tmp_path.rglob("*.pixels*"))


def test_leaving_early_keeps_no_half_video(jobs: list[str], tmp_path: Path) -> None:
    how: Any = {"side": (8, 8), "workers": 1, "limit_s": None, "pictures": tmp_path / "p"}
    events = decoded_or_kept(jobs[:1], sampler(), **how)
    while not isinstance(next(events), Chunk):
        pass
    events.close()
    assert not list((tmp_path / "p").rglob("*.pixels*"))


def test_damaged_frames_are_told(jobs: list[str], tmp_path: Path) -> None:
    kept(jobs[:1], tmp_path / "p")
    (pixels,) = folder_for(tmp_path / "p", sampler().transform).glob("*.pixels")
    data = np.frombuffer(pixels.read_bytes(), np.uint8).copy()
    data[len(data) // 2] ^= 1
    pixels.write_bytes(data.tobytes())
    with pytest.raises(CueframeError, match="is damaged; delete it"):
        kept(jobs[:1], tmp_path / "p")
