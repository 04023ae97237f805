"""Pictures come back as they were, from memory and from the temporary file."""

import tempfile
from collections.abc import Iterator

import numpy as np
import pytest
from PIL import Image

from index.errors import CueframeError
from infer.readers.spooled_pictures import SpooledPictures

SIZES = [(1, 1), (7, 3), (640, 2), (3, 7)]


def pictures() -> Iterator[tuple[float, Image.Image]]:
    rng = np.random.default_rng(0)
    for number, (width, height) in enumerate(SIZES * 5):
        yield number / 3, Image.fromarray(rng.integers(0, 256, (height, width, 3), np.uint8))


@pytest.mark.parametrize("in_memory", [1, 100, 1 << 20])
def test_pictures_come_back(in_memory: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infer.readers.spooled_pictures._IN_MEMORY_BYTES", in_memory)
    spooled = SpooledPictures(pictures())
    for time_s, picture in reversed([*pictures()]):
        assert spooled[time_s] == picture
        assert spooled[time_s].size == picture.size


def test_a_full_temporary_folder_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    class Full:
        def tell(self) -> int:
            return 0

        def write(self, data: bytes) -> None:
            raise OSError(28, "No space left on device")

        def close(self) -> None:
            pass

    monkeypatch.setattr(tempfile, "SpooledTemporaryFile", lambda size: Full())
    with pytest.raises(CueframeError, match=r"can be written .*\(No space left on.* TMPDIR"):
        SpooledPictures(pictures())
