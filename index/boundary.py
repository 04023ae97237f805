"""One boundary: what goes wrong with one video, or one question, costs that one alone."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from index.errors import CueframeError, VideoError
from index.messages import reason_of

Key = TypeVar("Key")
Item = TypeVar("Item")
Answer = TypeVar("Answer")


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


def in_halves(
    ask: Callable[[Sequence[Item]], Sequence[Answer]], items: Sequence[Item]
) -> list[tuple[Answer | None, str]]:
    """Ask about all items at once and, where that fails, about each half, down to single ones.

    So an item of which something cannot be computed costs itself, and a batch that does not fit
    into memory is asked in smaller ones.

    Args:
        ask: Returns an answer for each of its items; is not called without any.
        items: What to ask about.

    Returns:
        For each item its answer and "", or None and the reason in one line.
    """
    if not items:
        return []
    failed: dict[str, str] = {}
    answers: list[tuple[Answer | None, str]] = []
    with costs_one(failed, "why", CueframeError):
        answers = [(answer, "") for answer in ask(items)]
    if not failed:
        return answers
    if len(items) == 1:
        return [(None, failed["why"])]
    middle = len(items) // 2
    return in_halves(ask, items[:middle]) + in_halves(ask, items[middle:])
