"""Questions get texts and videos, and come back as records, whatever the order of the videos."""

from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np
import pytest

from index.arrays import Integers
from index.errors import CueframeError
from index.storage.store import read_own_vectors, read_profile
from infer.answering.bulk import answer_all
from infer.queries import EncodedQuery, Query, group_by_video, make_queries, on_timelines
from infer.questions import Question
from infer.selection.registry import STRATEGIES
from infer.selection.rules import Rule
from infer.selection.strategies import ScoredVideo
from infer.videos.indexed_videos import find_indexed, read_indexed_videos
from tests.fixtures_infer import world

NAMES = ("few.mp4", "one.mp4", "absent.mp4", "x/few.mp4", "b/constant.mp4", "a/constant.mp4")


def questions() -> list[Question]:
    return [
        Question.model_validate({"id": n, "question": f" What is {n}? ", "video_path": name})
        for n, name in enumerate(NAMES)
    ]


def encoded(queries: list[Query]) -> list[EncodedQuery]:
    """Queries video by video, with random vectors of their texts."""
    width = read_profile(world().index).width
    texts = np.random.default_rng(0).normal(size=(len(queries), width)).astype(np.float32)
    places = chain.from_iterable(group_by_video(queries).values())
    return [EncodedQuery(queries[n], [texts[n]]) for n in places]


@pytest.mark.parametrize("pick", ["quarters", "uniform", "random"])
def test_answers_do_not_hang_on_the_other_questions(pick: str) -> None:
    here = world()
    profile = read_profile(here.index)
    queries, _ = make_queries(questions(), read_indexed_videos(here.index), 1)
    answers = answer_all(here.index, profile, encoded(queries), rule=Rule(pick), k=4, seed=1)
    together = dict(chain.from_iterable(answers))
    assert sorted(together) == [0, 1, 3, 4, 5]
    for one in encoded(queries):
        alone = answer_all(here.index, profile, [one], rule=Rule(pick), k=4, seed=1)
        place = one.query.place
        assert list(alone) == [[(place, together[place])]]
        frames = together[place]["frames"]
        assert len(frames) == (1 if place == 1 else 4)


@pytest.mark.parametrize("pick", STRATEGIES)
@pytest.mark.parametrize("at_once", [1, 30, 2**20])
def test_blocks_change_nothing(pick: str, at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    here = world()
    profile = read_profile(here.index)
    asked = [
        Question.model_validate({"id": n, "question": "?", "video_path": "b_frames.mp4"})
        for n in range(7)
    ]
    queries = encoded(make_queries(asked, read_indexed_videos(here.index), 1)[0])
    (whole,) = answer_all(here.index, profile, queries, rule=Rule(pick), k=4, seed=1)
    monkeypatch.setattr("infer.selection.frame_scores.SCORES_AT_ONCE", at_once)
    blocks = list(answer_all(here.index, profile, queries, rule=Rule(pick), k=4, seed=1))
    rows = len(read_own_vectors(here.index, profile, queries[0].query.content_hash).time_s)
    size = max(1, at_once // rows)
    assert [len(block) for block in blocks] == [min(size, 7 - n) for n in range(0, 7, size)]
    assert list(chain.from_iterable(blocks)) == whole


def test_a_reader_sees_each_video_with_its_questions() -> None:
    here = world()
    profile = read_profile(here.index)
    queries, _ = make_queries(questions(), read_indexed_videos(here.index), 1)
    asked = encoded(queries)
    seen: list[list[int]] = []

    def read(
        scored: ScoredVideo, rows: Integers, own: Sequence[EncodedQuery]
    ) -> list[dict[str, Any]]:
        places = [one.query.place for one in own]
        seen.append(places)
        texts = np.stack([np.asarray(one.texts)[0] for one in own])
        np.testing.assert_allclose(scored.scores, texts @ scored.vectors[:, 0].T, atol=1e-5)
        assert rows.shape == (len(own), min(4, len(scored.vectors)))
        return [
            {"error": "cannot be read"} if n == 3 else {"answers": {"picked": rows[q].tolist()}}
            for q, n in enumerate(places)
        ]

    def answers(**how: Any) -> dict[int, Any]:
        made = answer_all(here.index, profile, asked, rule=Rule("quarters"), k=4, seed=1, **how)
        return dict(chain.from_iterable(made))

    plain, found = answers(), answers(read=read)
    assert seen == [[0, 3], [1], [4, 5]]
    for one in queries:
        record = found[one.place]
        if one.place == 3:
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

    def read(
        scored: ScoredVideo, rows: Integers, own: Sequence[EncodedQuery]
    ) -> list[dict[str, Any]]:
        if len(scored.time_s) == 1:  # one.mp4
            np.concatenate([])
        return [{}] * len(own)

    asked = encoded(queries)
    answers = answer_all(here.index, profile, asked, rule=Rule("top"), k=4, seed=1, read=read)
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


def test_a_question_whose_text_could_not_be_encoded_costs_itself() -> None:
    here = world()
    profile = read_profile(here.index)
    queries, _ = make_queries(questions(), read_indexed_videos(here.index), 1)
    asked = encoded(queries)
    asked[0] = asked[0]._replace(texts=CueframeError("no finite numbers"))
    asked[-1] = asked[-1]._replace(texts=CueframeError("no finite numbers"))
    together = dict(
        chain.from_iterable(answer_all(here.index, profile, asked, rule=Rule("top"), k=4, seed=1))
    )
    wrong = [place for place, record in together.items() if "error" in record]
    assert wrong == [asked[0].query.place, asked[-1].query.place]
    assert together[wrong[0]]["error"] == "no finite numbers"
