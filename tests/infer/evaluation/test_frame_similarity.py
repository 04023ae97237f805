"""`sim_m` by picker against its definition, random and oracle against every possible draw."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from index.decoding.decoders import frames_at
from index.decoding.frame_types import Frame
from index.errors import VideoError
from index.storage.store import read_timeline
from infer.evaluation.frame_similarity import SIM_COLUMNS, sim_tables
from infer.evaluation.score_table import uniform_picks
from infer.judge import SIM_THRESHOLDS, Judge, load_judge
from infer.metrics import TimedQuestion, sim_m
from tests.fixtures_infer import judge_folder, seen_as, world
from tests.infer.evaluation.test_baselines import draws
from tests.infer.test_metrics import ask

VIDEOS = ("a/constant.mp4", "vp9.webm")
K = 2


@pytest.fixture(scope="module")
def judge() -> Judge:
    return load_judge(str(judge_folder()), device=torch.device("cpu"))


def file_of(name: str) -> Path:
    return world().videos / name


def timed(name: str, *support_s: float) -> TimedQuestion:
    content = seen_as(world().index, file_of(name)).content_hash
    time_s, end_s, duration_s = read_timeline(world().index, content)
    duration_s = min(duration_s, time_s[:6][-1] + 0.5)
    return TimedQuestion(ask(support_s), time_s[:6], end_s[:6], duration_s, name)


QUESTIONS = [(VIDEOS[0], (0.6,)), (VIDEOS[1], (0.1, 2.4)), (VIDEOS[0], (1.7, 0.6)), (VIDEOS[0], ())]


def test_it_is_sim_m_for_every_picker_and_draw(
    judge: Judge, monkeypatch: pytest.MonkeyPatch
) -> None:
    queries = [timed(name, *support_s) for name, support_s in QUESTIONS]
    mine = [np.array([one.time_s[1], one.time_s[4]]) for one in queries]
    decoded: list[Path] = []

    def spy(path: Path, times_s: list[float]) -> Iterator[Frame]:
        decoded.append(path)
        return frames_at(path, times_s)

    monkeypatch.setattr("infer.evaluation.frame_similarity.frames_at", spy)
    before = judge.passes
    tables = sim_tables(
        queries,
        {"mine": mine, "uniform": uniform_picks(queries, K)},
        file_of,
        judge,
        K,
        every_row=True,
    )
    assert decoded == [file_of(VIDEOS[0]), file_of(VIDEOS[1])]  # each once
    distinct = set()
    for name in VIDEOS:
        wanted = {t for one in queries if one.video == name for t in one.time_s.tolist()}
        wanted |= {t for n, support_s in QUESTIONS if n == name for t in support_s}
        distinct |= {f.image.tobytes() for f in frames_at(file_of(name), sorted(wanted))}
    assert judge.passes - before == len(distinct)
    assert {name: table.shape for name, table in tables.items()} == dict.fromkeys(
        ("mine", "uniform", "random", "oracle"), (4, len(SIM_COLUMNS))
    )

    def verdicts(one: TimedQuestion, times_s: list[float]) -> list[int]:
        picked, true = (
            [frame.image for t in times for frame in frames_at(file_of(one.video), [t])]
            for times in (times_s, one.question.support_frames)
        )
        return [sim_m(picked, true, judge.model, judge.processor, m) for m in SIM_THRESHOLDS]

    for n, one in enumerate(queries[:3]):
        assert tables["mine"][n].tolist() == verdicts(one, mine[n].tolist())
        of_draw = {rows: verdicts(one, one.time_s[list(rows)].tolist()) for rows in draws(one, K)}
        chances = draws(one, K)
        mean = sum(float(chances[rows]) * np.array(found) for rows, found in of_draw.items())
        np.testing.assert_allclose(tables["random"][n], mean)
        assert tables["oracle"][n].tolist() == np.max(list(of_draw.values()), axis=0).tolist()
    assert 0 < np.mean(tables["random"][:3]) < 1
    assert all(np.isnan(table[3]).all() for table in tables.values())  # no support time


def test_without_every_row_there_is_no_random(judge: Judge) -> None:
    queries = [timed(VIDEOS[0], 0.6)]
    tables = sim_tables(
        queries, {"mine": [queries[0].time_s[:1]]}, file_of, judge, 1, every_row=False
    )
    assert not np.isnan(tables["mine"]).any()
    assert np.isnan(tables["random"]).all()
    assert np.isnan(tables["oracle"]).all()


def test_a_video_that_is_gone_costs_its_own_questions(
    judge: Judge, capsys: pytest.CaptureFixture[str]
) -> None:
    queries = [timed(VIDEOS[0], 0.6), timed(VIDEOS[1], 0.1)]

    def lost(name: str) -> Path:
        if name == VIDEOS[0]:
            raise VideoError(f"{name} is gone")
        return file_of(name)

    mine = [one.time_s[:1] for one in queries]
    tables = sim_tables(queries, {"mine": mine}, lost, judge, 1, every_row=False)
    assert np.isnan(tables["mine"][0]).all()
    assert tables["mine"][1].tolist() == [1.0] * 5  # the picked frame is the true one
    assert capsys.readouterr().err == "failed: no sim_m for 1 questions: a/constant.mp4 is gone\n"
