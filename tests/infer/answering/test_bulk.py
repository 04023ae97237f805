"""Questions get texts and videos, and come back as records, whatever the order of the videos."""

from itertools import chain
from typing import Any

import numpy as np
import pytest

from index.arrays import Integers
from index.errors import CueframeError
from index.storage.store import read_own_vectors, read_profile
from infer.answering.bulk import answer_all
from infer.queries import make_queries, on_timelines
from infer.questions import Question
from infer.selection.strategies import ScoredVideo
from infer.videos.indexed_videos import find_indexed, read_indexed_videos
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


def test_an_error_that_nobody_foresaw_costs_the_questions_of_its_video(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    here = world()
    profile = read_profile(here.index)
    queries, _ = make_queries(questions(), read_indexed_videos(here.index), 1)
    texts = np.random.default_rng(0).normal(size=(5, profile.width)).astype(np.float32)

    def read(scored: ScoredVideo, rows: Integers, numbers: list[int]) -> list[dict[str, Any]]:
        if len(scored.time_s) == 1:  # one.mp4
            np.concatenate([])
        return [{}] * len(numbers)

    answers = answer_all(here.index, profile, queries, texts, pick="top", k=4, seed=1, read=read)
    together = dict(chain.from_iterable(answers))
    assert together[1]["error"] == "ValueError: need at least one array to concatenate"
    assert [n for n, record in together.items() if "error" in record] == [1]


def test_a_question_about_which_an_error_is_costs_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    def refusing(indexed: Any, video_path: str, aliases: Any) -> Any:
        if video_path == "one.mp4":
            raise ZeroDivisionError
        return find_indexed(indexed, video_path, aliases)

    monkeypatch.setattr("infer.queries.find_indexed", refusing)
    queries, failed = make_queries(questions(), read_indexed_videos(world().index), 1)
    assert failed[1]["error"] == "ZeroDivisionError"
    assert sorted(failed) == [1, 2]  # 2 is absent
    assert len(queries) == 4


def test_a_damaged_vector_file_costs_its_questions_a_score(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    here = world()
    queries, _ = make_queries(questions(), read_indexed_videos(here.index), 1)
    lost = queries[1].content_hash

    def damaged(index: Any, profile: Any, content: str) -> Any:
        if content == lost:
            raise CueframeError("is damaged")
        return read_own_vectors(index, profile, content)

    monkeypatch.setattr("infer.queries.read_own_vectors", damaged)
    there, timed, failed = on_timelines(here.index, read_profile(here.index), queries)
    assert {place: record["error"] for place, record in failed.items()} == {1: "is damaged"}
    assert len(there) == len(timed) == len(queries) - 1
