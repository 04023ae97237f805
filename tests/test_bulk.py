"""Questions get texts and videos, and come back as records, whatever the order of the videos."""

from itertools import chain
from typing import Any

import numpy as np
import pytest

from index.store import read_profile
from infer.bulk import answer_all, ask, by_video, tell_failures
from infer.indexed import read_library
from infer.pick import Rows, Scored
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


def test_a_reader_sees_each_video_with_its_questions() -> None:
    here = world()
    profile = read_profile(here.index)
    asked, _ = ask(questions(), read_library(here.index), 1)
    texts = np.random.default_rng(0).normal(size=(5, profile.width)).astype(np.float32)
    seen: list[list[int]] = []

    def read(scored: Scored, rows: Rows, numbers: list[int]) -> list[dict[str, Any]]:
        seen.append(numbers)
        own = scored.vectors.astype(np.float64)
        np.testing.assert_allclose(scored.scores, texts[numbers] @ own.T, atol=1e-5)
        assert rows.shape == (len(numbers), min(4, len(own)))
        return [
            {"error": "cannot be read"} if n == 2 else {"answers": {"picked": rows[q].tolist()}}
            for q, n in enumerate(numbers)
        ]

    def answers(**how: Any) -> dict[int, Any]:
        made = answer_all(here.index, profile, asked, texts, pick="quarters", k=4, seed=1, **how)
        return dict(chain.from_iterable(made))

    plain, found = answers(), answers(read=read)
    assert seen == [[0, 2], [1], [3, 4]]
    for n, one in enumerate(asked):
        record = found[one.place]
        if n == 2:
            assert record == {
                "id": one.question.id,
                "video_path": one.question.video_path,
                "error": "cannot be read",
            }
        else:
            rows = [frame["row"] for frame in plain[one.place]["frames"]]
            assert record == plain[one.place] | {"answers": {"picked": rows}}


def test_many_failures_are_told_in_few_lines(capsys: pytest.CaptureFixture[str]) -> None:
    failed = {place: {"id": f"q{place}", "error": "lost"} for place in reversed(range(12))}
    tell_failures(failed, "not scored", ", see elsewhere")
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        *(f"not scored: q{place}: lost" for place in range(10)),
        "not scored: 2 more, see elsewhere",
    ]
    tell_failures({3: failed[3]}, "failed")
    assert capsys.readouterr().err == "failed: q3: lost\n"
