"""Files that are whole or not there, and outputs that would destroy an input."""

import errno
import os
import stat
import subprocess
from contextlib import nullcontext
from pathlib import Path

import pytest

from index.errors import CueframeError
from index.storage.atomic_write import explain_unwritable, refuse_overwriting, written_whole


def _fill(path: Path) -> None:
    path.write_text("half")
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Questions, an index and a video, and links to them."""
    (tmp_path / "q.json").write_text("{}")
    (tmp_path / "index" / "vectors").mkdir(parents=True)
    (tmp_path / "index" / "catalog.sqlite").touch()
    (tmp_path / "a.MP4").touch()
    (tmp_path / "link.json").symlink_to("q.json")
    (tmp_path / "deep").symlink_to("index/vectors")
    return tmp_path


@pytest.mark.parametrize(
    ("output", "what"),
    [
        ("q.json", "the questions"),
        ("link.json", "the questions"),
        ("nowhere/../q.json", "the questions"),
        ("index/catalog.sqlite", "the index"),
        ("index", "the index"),
        ("index/new.jsonl", "the index"),
        ("deep/new.jsonl", "the index"),
        ("a.MP4", "a video"),
        ("out.jsonl", None),
        ("new.mp4", None),
        ("index2/out.jsonl", None),
        (".", None),
    ],
)
def test_an_output_that_is_an_input_is_refused(place: Path, output: str, what: str | None) -> None:
    inputs: dict[str, list[Path | None]] = {
        "the questions": [place / "q.json"],
        "the index": [place / "index", None],
    }
    if what is None:
        refuse_overwriting({"--output": place / output, "--other": None}, inputs)
        return
    with pytest.raises(CueframeError, match=f"--output .* would overwrite {what}; name another"):
        refuse_overwriting({"--output": place / output}, inputs)


def test_two_outputs_are_two_files(place: Path) -> None:
    for other in ("out", "x/../out"):
        outputs = {"--output": place / "out", "--submission": place / other}
        with pytest.raises(CueframeError, match="would overwrite what --output writes"):
            refuse_overwriting(outputs, {})


def test_an_error_of_writing_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    line = r"a\.txt cannot be written \(.*No space.*\); make room or rights, and run again"
    with pytest.raises(CueframeError, match=line), written_whole(path) as temporary:
        _fill(temporary)
    assert {one.name: one.read_text() for one in tmp_path.iterdir()} == {"a.txt": "old"}
    with pytest.raises(CueframeError, match=line), explain_unwritable(path):
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_picture_that_its_format_cannot_hold_is_no_full_disk(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="encoder error"), explain_unwritable(tmp_path / "a.jpg"):
        raise OSError("encoder error -2 when writing image file")


def test_what_a_killed_process_left_goes_with_the_next_write(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    gone = subprocess.Popen(["true"])
    gone.wait()
    left = tmp_path / f".a.json.{gone.pid}.tmp"
    living = tmp_path / f".a.json.{os.getppid()}.tmp"
    others = [living, tmp_path / f".b.json.{gone.pid}.tmp", tmp_path / ".a.json.x.tmp"]
    for file in (left, *others):
        file.write_text("half")
    with written_whole(path) as temporary:
        temporary.write_text("whole")
    assert path.read_text() == "whole"
    assert not left.exists()
    assert all(file.exists() for file in others)


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP, errno.EIO])
def test_a_network_disk_that_does_not_sync_folders_will_do(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def sync(file: int) -> None:
        if stat.S_ISDIR(os.fstat(file).st_mode):
            raise OSError(number, "why")

    monkeypatch.setattr("os.fsync", sync)
    refused = pytest.raises(CueframeError, match="cannot be written") if number == errno.EIO else ()
    with refused or nullcontext(), written_whole(tmp_path / "file") as temporary:
        temporary.write_text("all")
    assert (tmp_path / "file").read_text() == "all"


def test_a_device_or_a_pipe_is_never_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    (tmp_path / "link").symlink_to(pipe)
    for path in (pipe, tmp_path / "link"):
        with (
            pytest.raises(CueframeError, match=r"is a device or a pipe; name a file$"),
            written_whole(path) as temporary,
        ):
            temporary.write_text("new")
        with pytest.raises(CueframeError, match=r"^--report .* is a device or a pipe"):
            refuse_overwriting({"--report": path}, {})
    assert sorted(one.name for one in tmp_path.iterdir()) == ["link", "pipe"]
    assert stat.S_ISFIFO(pipe.stat().st_mode)
