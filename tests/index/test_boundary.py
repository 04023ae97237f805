"""Errors that cost one, and errors that end the run."""

import pytest

from index.boundary import costs_one
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
