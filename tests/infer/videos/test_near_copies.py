"""Among many videos of one place the copies are found, and nothing else."""

import pytest

from infer.videos import near_copies as module
from infer.videos.copy_alignment import Course
from infer.videos.near_copies import NearCopy, grouped, near_copies
from tests.courses import copied, scene


def world(alike: float) -> dict[str, Course]:
    """Forty videos of one place, and copies of two of them."""
    videos = {f"video {n:02d}": scene(n, 40, alike=alike) for n in range(40)}
    videos["trimmed 3"] = copied(videos["video 03"], 7.25, 25, seed=1, shake=0.1)
    videos["trimmed 3 again"] = copied(videos["video 03"], 9.75, 28, seed=2, shake=0.1)
    videos["whole 7"] = copied(videos["video 07"], 0, 40, seed=3, shake=0.15)
    return videos


@pytest.mark.parametrize("alike", [0.0, 10.0])
@pytest.mark.parametrize("many", [False, True])
def test_copies_are_found_among_many(
    monkeypatch: pytest.MonkeyPatch, alike: float, many: bool
) -> None:
    if many:  # with inverted lists
        monkeypatch.setattr(module, "_MANY", 100)
    videos = world(alike)
    found = near_copies(sorted(videos), videos.__getitem__)
    three = {"video 03", "trimmed 3", "trimmed 3 again"}
    assert {frozenset((one.part, one.whole)) for one in found} >= {
        frozenset(("video 03", "trimmed 3")),
        frozenset(("video 03", "trimmed 3 again")),
        frozenset(("video 07", "whole 7")),
    }
    for one in found:
        assert {one.part, one.whole} <= three or {one.part, one.whole} == {"video 07", "whole 7"}
    shift = {one.part: one.shift_s for one in found if one.whole == "video 03"}
    assert shift["trimmed 3"] == pytest.approx(7.25, abs=0.6)


def test_with_others_only_pairs_between_both_count() -> None:
    videos = world(0.0)
    trained = ["trimmed 3", "trimmed 3 again", *(f"video {n:02d}" for n in range(10, 20))]
    scored = ["video 03", "video 07", *(f"video {n:02d}" for n in range(20, 30))]
    found = near_copies(scored, videos.__getitem__, trained)
    assert {(one.part, one.whole) for one in found} == {
        ("trimmed 3", "video 03"),
        ("trimmed 3 again", "video 03"),
    }
    assert near_copies(scored, videos.__getitem__, []) == []
    assert near_copies([], videos.__getitem__) == []


def test_links_make_groups() -> None:
    links = [NearCopy("b", "c", 0, 1), NearCopy("d", "e", 0, 1), NearCopy("c", "a", 0, 1)]
    assert grouped(list("abcdef"), links) == dict(zip("abcdef", "aaaddf", strict=True))
