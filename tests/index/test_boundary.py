"""Errors that cost one, and errors that end the run."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.boundary import costs_one, in_halves
from index.errors import CueframeError, ModelError, VideoError


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (VideoError("is torn"), "is torn"),
        (VideoError("a\nb"), r"a\nb"),
        (ValueError("need at least\none array"), "ValueError: need at least one array"),
        (KeyError("x"), "KeyError: 'x'"),
        (MemoryError(), "MemoryError"),
        (OSError(2, "No such file", "a.mp4"), "FileNotFoundError: [Errno 2] No such file: 'a.mp4'"),
    ],
)
def test_an_error_costs_one(error: Exception, reason: str) -> None:
    failed: dict[str, str] = {}
    done = []
    for name in ("a", "b", "c"):
        with costs_one(failed, name):
            if name == "b":
                raise error
            done.append(name)
    assert (failed, done) == ({"b": reason}, ["a", "c"])


@pytest.mark.parametrize(
    "error", [CueframeError("full"), ModelError("gone"), KeyboardInterrupt(), SystemExit(1)]
)
def test_what_concerns_all_ends_the_run(error: BaseException) -> None:
    failed: dict[str, str] = {}
    with pytest.raises(type(error)), costs_one(failed, "a"):
        raise error
    assert failed == {}


def test_more_errors_can_be_expected() -> None:
    failed: dict[str, str] = {}
    for error in (CueframeError("is damaged"),):
        with costs_one(failed, "a", CueframeError):
            raise error
    assert failed == {"a": "is damaged"}


@given(st.integers(0, 20), st.sets(st.integers(0, 19)), st.integers(1, 20))
def test_an_item_of_which_nothing_can_be_computed_costs_itself(
    count: int, odd: set[int], room: int
) -> None:
    calls: list[Sequence[int]] = []

    def ask(items: Sequence[int]) -> list[int]:
        calls.append(items)
        if len(items) > room:
            raise MemoryError
        for item in items:
            if item in odd:
                raise CueframeError(f"{item} is odd")
        return [item * 7 for item in items]

    found = in_halves(ask, range(count))
    assert found == [(None, f"{n} is odd") if n in odd else (n * 7, "") for n in range(count)]
    assert all(calls)  # none without items
    if count <= room and not odd.intersection(range(count)):
        assert len(calls) == min(count, 1)


def test_what_nobody_can_go_on_after_ends_the_halves_too() -> None:
    def ask(items: Sequence[int]) -> list[int]:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        in_halves(ask, [1, 2])
