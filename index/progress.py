"""Progress bars on stderr. A build's bar counts bytes of video and shows frames per second."""

import os
import sys
import time
from collections.abc import Iterable
from typing import TypeVar

from tqdm import tqdm

Item = TypeVar("Item")


def _rest_s() -> float:
    """Return the seconds between two updates of a bar."""
    return 0.2 if sys.stderr.isatty() else 30.0


def _follows() -> bool:
    """Return whether another process shows the bar."""
    return int(os.environ.get("RANK", "0")) > 0


def bar(items: Iterable[Item], unit: str, total: int) -> Iterable[Item]:
    """Return the items, with a bar on stderr if they take longer than two seconds."""
    return tqdm(
        items,
        unit=unit,
        total=total,
        delay=2,
        mininterval=_rest_s(),
        dynamic_ncols=True,
        disable=_follows(),
    )


class Progress:
    """A progress bar on stderr; updated rarely if that is no terminal, so that logs stay short.

    A video's duration is known only while it is decoded, so the time left is estimated from bytes.
    """

    def __init__(self, sizes: dict[str, int]) -> None:
        self._sizes = sizes
        self._done: dict[str, int] = {}
        self._frames = 0
        self._began_s = time.monotonic()
        self._bar = tqdm(
            total=sum(sizes.values()),
            unit="B",
            unit_scale=True,
            disable=not sizes or _follows(),
            dynamic_ncols=True,
            mininterval=_rest_s(),
            bar_format="{percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} "
            "[{elapsed}<{remaining}{postfix}]",
        )

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *_error: object) -> None:
        self._bar.close()

    def frames(self, count: int) -> None:
        """Count further encoded frames."""
        self._frames += count
        per_s = self._frames / max(1e-9, time.monotonic() - self._began_s)
        self._bar.set_postfix_str(f"{per_s:.1f} frames/s", refresh=False)

    def reached(self, path: str, share: float) -> None:
        """Record how far a video is decoded: `share` is a fraction from 0 to 1.

        It comes from the duration that a header declares, so anything else counts as 0 or 1.
        """
        done = int(self._sizes[path] * min(1.0, max(0.0, share)))
        self._bar.update(max(0, done - self._done.get(path, 0)))
        self._done[path] = max(done, self._done.get(path, 0))
