"""Questions get texts and videos, and come back as records, whatever the order of the videos."""

from itertools import chain
from typing import Any

import numpy as np
import pytest

from index.arrays import Integers
from index.storage.store import read_profile
from infer.answering.bulk import answer_all
from infer.queries import make_queries
from infer.questions import Question
from infer.selection.strategies import ScoredVideo
from infer.videos.indexed_videos import read_indexed_videos
from tests.fixtures_infer import world

NAMES = ("few.mp4", "one.mp4", "absent.mp4", "x/few.mp4", "b/constant.mp4", "a/constant.mp4")


def questions() -> list[Question]:
    return [
        Question.model_validate({"id": n, "question": f" What is {n}? ", "video_path": name})
        for n, name in enumerate(NAMES)
    ]


@pytest.mark.parametrize("pick", ["quarters", "uniform", "random"])
def test_answers_do_not_hang_on_the_other_questions(pick: str) -> None:
    here = world()
    profile = read_profile(here.index)
    queries, _ = make_queries(questions(), read_indexed_videos(here.index), 1)
    texts = np.random.default_rng(0).normal(size=(5, profile.width)).astype(np.float32)
    answers = answer_all(here.index, profile, queries, texts, pick=pick, k=4, seed=1)
    together = dict(chain.from_iterable(answers))
    assert sorted(together) == [0, 1, 3, 4, 5]
    for n, one in enumerate(queries):
        alone = answer_all(here.index, profile, [one], texts[n : n + 1], pick=pick, k=4, seed=1)
        assert list(alone) == [[(one.place, together[one.place])]]
        frames = together[one.place]["frames"]
        assert len(frames) == (1 if one.place == 1 else 4)


def test_a_reader_sees_each_video_with_its_questions() -> None:
    here = world()
    profile = read_profile(here.index)
    queries, _ = make_queries(questions(), read_indexed_videos(here.index), 1)
    texts = np.random.default_rng(0).normal(size=(5, profile.width)).astype(np.float32)
    seen: list[list[int]] = []

    def read(scored: ScoredVideo, rows: Integers, numbers: list[int]) -> list[dict[str, Any]]:
        seen.append(numbers)
        own = scored.vectors.astype(np.float64)
        np.testing.assert_allclose(scored.scores, texts[numbers] @ own.T, atol=1e-5)
        assert rows.shape == (len(numbers), min(4, len(own)))
        return [
            {"error": "cannot be read"} if n == 2 else {"answers": {"picked": rows[q].tolist()}}
            for q, n in enumerate(numbers)
        ]

    def answers(**how: Any) -> dict[int, Any]:
        made = answer_all(here.index, profile, queries, texts, pick="quarters", k=4, seed=1, **how)
        return dict(chain.from_iterable(made))

    plain, found = answers(), answers(read=read)
    assert seen == [[0, 2], [1], [3, 4]]
    for n, one in enumerate(queries):
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
