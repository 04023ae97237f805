"""One boundary: what goes wrong with one video, or one question, costs that one alone."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

from index.errors import CueframeError, VideoError
from index.messages import reason_of

Key = TypeVar("Key")


@contextmanager
def costs_one(
    failed: dict[Key, str], key: Key, expected: type[CueframeError] = VideoError
) -> Iterator[None]:
    """Let an error within the block cost the one video or question that the block is about.

    Args:
        failed: Gets the reason, in one line.
        key: What the block is about.
        expected: The errors of ours that are about it; others, as of a full disk, end the run.
            Errors that nobody foresaw are about it, too.
    """
    try:
        yield
    except CueframeError as error:
        if not isinstance(error, expected):
            raise
        failed[key] = reason_of(error)
    except Exception as error:  # noqa: BLE001 - whatever it is, the others are done
        failed[key] = reason_of(error)
