import errno
from pathlib import Path

import pytest

from index.errors import CueframeError
from index.storage.lock import locked


def test_one_run_at_a_time(tmp_path: Path) -> None:
    with (
        locked(tmp_path / "new", "--index"),
        pytest.raises(CueframeError, match=r"another run is writing .* with --index"),
        locked(tmp_path / "new", "--index"),
    ):
        pass
    with locked(tmp_path / "new", "--index"):
        pass


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(
            CueframeError, match=r"cannot be written .* name another with --output_folder"
        ),
        locked(tmp_path / "file" / "new", "--output_folder"),
    ):
        pass


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.EPERM, errno.EIO])
def test_a_disk_without_locks_is_no_other_run(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(file: object, how: int) -> None:
        raise OSError(number, "why")

    monkeypatch.setattr("fcntl.flock", refuse)
    with (
        pytest.raises(CueframeError, match=r"cannot be locked \(why\), .* or add --no-lock "),
        locked(tmp_path, "--index"),
    ):
        pass
    with locked(tmp_path, "--index", no_lock=True):
        pass


def test_a_lock_that_another_run_holds_counts_with_no_lock_too(tmp_path: Path) -> None:
    with (
        locked(tmp_path, "--index", no_lock=True),
        pytest.raises(CueframeError, match="another run is writing"),
        locked(tmp_path, "--index", no_lock=True),
    ):
        pass
