"""infer/compare.py as a user runs it."""

import json
from pathlib import Path

import numpy as np
import pytest

from index.storage.store import read_timeline
from infer.question_files.loading import load_questions
from infer.selection.registry import STRATEGIES
from infer.selection.strategies import pick_random
from infer.videos.indexed_videos import find_indexed, read_indexed_videos
from tests.fixtures_infer import as_a_user, build_index, ran, refused, world, write_questions
from tests.infer.test_score import LABELS


@pytest.fixture
def questions(tmp_path: Path) -> Path:
    return write_questions(tmp_path / "questions.json", *LABELS)


def test_every_strategy_has_the_row_that_its_answers_have(
    questions: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    index = world().index
    result = ran(capsys, "compare.py", questions, "--index", index, "--frames", 3)
    assert result.code == 0, result.err
    (told,) = result.records
    assert (told["questions"], told["unlabelled"], told["frames"]) == (3, 1, 3)
    assert list(told["rows"]) == [
        *(name for name in STRATEGIES if name not in ("uniform", "random")),
        *("uniform", "random", "oracle"),
    ]
    lines = result.err.splitlines()
    assert [line.split()[0] for line in lines] == ["%,", *told["rows"]]
    for name in STRATEGIES:
        if name != "random":  # there the row is the expectation
            answers = tmp_path / f"{name}.jsonl"
            queries = ("--index", index, "--frames", 3, "--pick", name, "--output", answers)
            ran(capsys, "answer.py", questions, *queries)
            scored = ran(
                capsys, "score.py", answers, questions, "--index", index, "--judge", "none"
            )
            assert scored.records[0]["rows"]["answers"] == told["rows"][name], name
            assert scored.records[0]["rows"]["random"] == told["rows"]["random"]


def test_questions_that_cannot_be_asked_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gone = {"video_path": "gone.mp4", "support_frames": [1]}
    questions = write_questions(tmp_path / "q.json", LABELS[0], gone)
    result = ran(capsys, "compare.py", questions, "--index", world().index)
    assert result.code == 1
    assert result.records[0]["not_scored"] == 1
    assert "not scored: q1: gone.mp4" in result.err
    questions = write_questions(tmp_path / "q.json", gone)
    assert ran(capsys, "compare.py", questions, "--index", world().index).code == 2


def test_wrong_calls_are_one_line(
    questions: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bare = write_questions(tmp_path / "bare.json", {"video_path": "vp9.webm"})
    index = ("--index", world().index)
    refused(ran(capsys, "compare.py", bare, *index), "none of 1 questions has support_frames")
    refused(ran(capsys, "compare.py", questions, *index, "--frames", 0), "--frames is 0")
    refused(ran(capsys, "compare.py", questions, "--index", tmp_path), "is no index")
    refused(ran(capsys, "compare.py", tmp_path / "none", *index), "cannot be read")


def test_as_a_user(questions: Path) -> None:
    result = as_a_user("compare.py", questions, "--index", world().index)
    assert result.code == 0, result.err
    assert json.loads(result.out)["rows"]["quarters"]["hit"]["questions"] == 3


def test_the_baselines_of_the_real_clips(
    clips: Path, tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    index = tmp_path / "index"
    assert build_index(clips / "videos", index, tiny_model) == 0
    result = ran(capsys, "compare.py", clips / "questions.json", "--index", index)
    assert result.code == 0, result.err
    (told,) = result.records
    assert (told["questions"], told["unlabelled"], told["not_scored"]) == (42, 0, 0)
    rows = {name: told["rows"][name] for name in ("uniform", "random", "oracle")}
    assert rows["oracle"]["hit"]["mean"] == 1.0
    assert rows["uniform"]["hit"]["mean"] == pytest.approx(21 / 42, abs=1e-6)

    indexed = read_indexed_videos(index)
    draws, hits = 400, []
    for question in load_questions(clips / "questions.json"):
        _, video = find_indexed(indexed, question.video_path)
        time_s, end_s, duration_s = read_timeline(index, video.content_hash)
        drawn = pick_random(time_s, duration_s, 4, np.arange(draws, dtype=np.uint64))
        spans = question.support_ranges
        shown = zip(time_s, end_s, strict=True)
        held = np.array([any(a <= e and s <= b for a, b in spans) for s, e in shown])
        hits.append(held[drawn].any(axis=1))
    error = 4.5 * np.std(np.mean(hits, axis=0)) / np.sqrt(draws)
    assert rows["random"]["hit"]["mean"] == pytest.approx(np.mean(hits), abs=error)
