"""Count how often video files are opened, in whichever process that happens."""

from collections import Counter
from pathlib import Path

import pytest

_SPY = """
import os
import av

_open = av.open

def _spy(file, *args, **kwargs):
    with open(os.environ["CUEFRAME_TEST_OPENS"], "a", errors="surrogateescape") as log:
        log.write(f"{file}\\n")
    return _open(file, *args, **kwargs)

av.open = _spy
"""

OPENS_OF_A_DECODE = 2
"""A worker reads the header for the time limit, then decodes."""


class Opens:
    """The log of all child processes started while it is in force."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        folder.mkdir()
        (folder / "sitecustomize.py").write_text(_SPY)
        self._log = folder / "opens.txt"
        monkeypatch.setenv("PYTHONPATH", str(folder))
        monkeypatch.setenv("CUEFRAME_TEST_OPENS", str(self._log))

    def decoded(self) -> dict[str, int]:
        """File name to number of decodes since the last call."""
        log = self._log.read_text(errors="surrogateescape") if self._log.exists() else ""
        lines = log.splitlines()
        self._log.unlink(missing_ok=True)
        counts = Counter(Path(line).name for line in lines)
        assert all(count % OPENS_OF_A_DECODE == 0 for count in counts.values())
        return {name: count // OPENS_OF_A_DECODE for name, count in counts.items()}
