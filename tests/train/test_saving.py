import os
from pathlib import Path

import pytest

from train.saving import give_usual_rights


@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002])
def test_files_can_be_read_by_whom_other_new_files_are(tmp_path: Path, mask: int) -> None:
    before = os.umask(mask)
    try:
        own = tmp_path / "deep" / "model.safetensors"
        own.parent.mkdir()
        own.touch(0o600)
        give_usual_rights(tmp_path)
    finally:
        os.umask(before)
    assert own.stat().st_mode & 0o777 == 0o666 & ~mask
    assert [path.name for path in tmp_path.iterdir()] == ["deep"]
