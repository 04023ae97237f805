"""Questions get texts and videos, and come back as records, whatever the order of the videos."""

from itertools import chain

import numpy as np
import pytest

from index.store import read_profile
from infer.bulk import answer_all, ask, by_video
from infer.indexed import read_library
from infer.questions import Question
from tests.fixtures_infer import seen_as, world

NAMES = ("few.mp4", "one.mp4", "absent.mp4", "x/few.mp4", "b/constant.mp4", "a/constant.mp4")


def questions() -> list[Question]:
    return [
        Question.model_validate({"id": n, "question": f" What is {n}? ", "video_path": name})
        for n, name in enumerate(NAMES)
    ]


def test_ask() -> None:
    here = world()
    asked, failed = ask(questions(), read_library(here.index), 1)
    assert [one.place for one in asked] == [0, 1, 3, 4, 5]
    assert [one.text for one in asked] == [f"What is {n}?" for n in (0, 1, 3, 4, 5)]
    assert [one.path for one in asked[2:4]] == [
        str(here.videos / name) for name in ("few.mp4", "b/constant.mp4")
    ]
    assert list(failed) == [2]
    assert list(failed[2]) == ["id", "video_path", "error"]
    few, one, constant = (
        seen_as(here.index, here.videos / name).content_hash for name in NAMES[:2] + NAMES[5:]
    )
    assert by_video(asked) == {few: [0, 2], one: [1], constant: [3, 4]}  # copies are one video


@pytest.mark.parametrize("pick", ["quarters", "uniform", "random"])
def test_answers_do_not_hang_on_the_other_questions(pick: str) -> None:
    here = world()
    profile = read_profile(here.index)
    asked, _ = ask(questions(), read_library(here.index), 1)
    texts = np.random.default_rng(0).normal(size=(5, profile.width)).astype(np.float32)
    answers = answer_all(here.index, profile, asked, texts, pick=pick, k=4, seed=1)
    together = dict(chain.from_iterable(answers))
    assert sorted(together) == [0, 1, 3, 4, 5]
    for n, one in enumerate(asked):
        alone = answer_all(here.index, profile, [one], texts[n : n + 1], pick=pick, k=4, seed=1)
        assert list(alone) == [[(one.place, together[one.place])]]
        frames = together[one.place]["frames"]
        assert len(frames) == (1 if one.place == 1 else 4)
