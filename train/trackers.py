"""The tracker that a run logs to beside metrics.jsonl: steps and validations (`--tracker`)."""

import atexit
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager, redirect_stdout
from typing import Any

from accelerate import Accelerator

from index.errors import CueframeError

_ROWS = ("trained", "uniform")
"""Pickers of a validation that a tracker gets; metrics.jsonl has all."""


@contextmanager
def tracked(accelerator: Accelerator, name: str, settings: Mapping[str, Any]) -> Generator[None]:
    """Start the tracker, and end it with the block, in which stdout leads to stderr.

    Trackers print lines of their own, some from threads; stdout is for the result alone.

    Args:
        accelerator: Made with `log_with=name`; its `log` reaches the tracker.
        name: As --tracker.
        settings: The run's settings as JSON values; None and what is empty are left out.

    Raises:
        CueframeError: The tracker cannot be started.
    """
    with redirect_stdout(sys.stderr):
        try:
            accelerator.init_trackers("cueframe", plain(settings))
        except Exception as error:
            first = str(error).strip().split("\n")[0] or type(error).__name__
            raise CueframeError(
                f"--tracker {name} cannot be started ({first}); set it up, or choose --tracker none"
            ) from error
        if accelerator.trackers:
            # trackio prints once more when Python ends: what was registered last is called first.
            atexit.register(setattr, sys, "stdout", sys.stderr)
        yield
        accelerator.end_training()


def plain(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings as what every tracker takes: numbers, texts and truth values."""
    return {
        name: value if isinstance(value, (bool, int, float, str)) else str(value)
        for name, value in settings.items()
        if value not in (None, (), [])
    }


def validation_line(means: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Return the figures of a validation by the names under which a tracker shows them.

    Args:
        means: Figures by picker and figure.
    """
    return {
        f"validation/{row}/{figure}": mean
        for row in _ROWS
        for figure, mean in means.get(row, {}).items()
    }
