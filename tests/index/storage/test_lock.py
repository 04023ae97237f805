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
