"""The bar of a build takes whatever a header declares."""

import math

import pytest

from index.progress import Progress


@pytest.mark.parametrize(
    ("share", "done"),
    [(0.25, 250), (7.0, 1000), (math.inf, 1000), (-1.0, 0), (-math.inf, 0), (math.nan, 0)],
)
def test_any_share_is_between_nothing_and_all(share: float, done: int) -> None:
    with Progress({"video": 1000}) as progress:
        progress.reached("video", share)
        assert progress._done["video"] == done
        progress.reached("video", 1.0)
        assert progress._done["video"] == 1000
