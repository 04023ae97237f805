"""Questions with events, from answers to figures, as a user asks them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from index.storage.store import read_timeline
from infer.answer_file import load_answers
from infer.selection.sequences import best_sequence
from tests.fixtures_infer import (
    TEXTS,
    ran,
    refused,
    seen_as,
    stored,
    text_vectors,
    world,
    write_questions,
)

ASKED: list[dict[str, Any]] = [
    {"video_path": "vp9.webm", "support_frames": [1.0]},
    {
        "video_path": "vp9.webm",
        "events": TEXTS[:3],
        "choices": ["A. Red", "B. Blue"],
        "support_frames": [0.2, 1.0, 2.0],
    },
    {"video_path": "b_frames.mp4", "events": TEXTS[1:3], "support_ranges": [[0, 1], [0, 2]]},
    {"video_path": "one.mp4", "events": TEXTS[:2], "support_frames": [0, 0]},
    {"video_path": "vp9.webm", "events": [TEXTS[3]], "choices": ["A. 1", "B. 2"]},
]


@pytest.fixture
def questions(tmp_path: Path) -> Path:
    return write_questions(tmp_path / "questions.json", *ASKED)


def expected_rows(name: str, texts: list[str]) -> tuple[list[int], np.ndarray]:
    vectors, _, _ = stored(world().index, world().videos / name)
    scores = text_vectors(world().model, texts) @ vectors.T
    return best_sequence(scores).tolist(), scores


def test_events_get_a_frame_each_whatever_k_and_rule(
    questions: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "answers.jsonl"
    flags = ("--index", world().index, "--output", output, "--pick", "top")
    result = ran(capsys, "answer.py", questions, *flags, "--frames", 2, "--caption", 1)
    assert result.code == 1
    assert "q3: 2 events need as many frames, and the index has 1" in result.err
    answers = {one.id: one for one in load_answers(output).records}
    for name in ("q1", "q2", "q4"):
        record = ASKED[int(name[1])]
        rows, scores = expected_rows(record["video_path"], record["events"])
        frames = [frame.model_extra or {} for frame in answers[name].frames]
        assert [frame["row"] for frame in frames] == rows
        assert [frame["event"] for frame in frames] == [*range(len(rows))]
        own = np.array([frame.score for frame in answers[name].frames], np.float64)
        np.testing.assert_allclose(own, scores[range(len(rows)), rows], atol=2e-6)
        assert (answers[name].model_extra or {})["pick"] == "sequence"
    assert len(answers["q0"].frames) == 2
    assert all("event" not in (frame.model_extra or {}) for frame in answers["q0"].frames)

    scored = ran(capsys, "score.py", output, questions, *flags[:2], "--judge", "none")
    (told,) = scored.records
    assert told["frames"] == {"least": 1, "most": 3}
    assert told["rows"]["answers"]["sequence"]["questions"] == 2
    report = tmp_path / "r.html"
    ran(capsys, "score.py", output, questions, *flags[:2], "--judge", "none", "--report", report)
    assert "2 equal segments, or one for each event" in report.read_text()


def test_a_reader_answers_from_the_sequence(
    questions: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "answers.jsonl"
    kinds = ("--reader", "clip", "--reader-frames", "picked", "uniform", "all")
    ran(capsys, "answer.py", questions, "--index", world().index, "--output", output, *kinds)
    answers = {one.id: one for one in load_answers(output).records}
    for name in ("q1", "q4"):
        assert set(answers[name].by_frames) == {"picked", "uniform", "all"}
        assert len(answers[name].frames) == len(ASKED[int(name[1])]["events"])


def test_answers_without_a_frame_for_each_event_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plain = [{name: own for name, own in one.items() if name != "events"} for one in ASKED[:2]]
    before = write_questions(tmp_path / "before.json", *plain)
    after = write_questions(tmp_path / "after.json", *ASKED[:2])
    output = tmp_path / "answers.jsonl"
    index = ("--index", world().index)
    ran(capsys, "answer.py", before, *index, "--output", output)
    told = ran(capsys, "score.py", output, after, *index, "--judge", "none")
    refused(told, "answer 'q1' has 4 frames where its question has 3 events; answer it again")


def test_compared_with_the_best_frame_of_each_event(
    questions: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    index = world().index
    both = ran(capsys, "compare.py", questions, "--index", index)
    assert (both.code, both.records[0]["not_scored"]) == (1, 1)
    assert "not scored: q3: 2 events need as many frames" in both.err
    (told,) = both.records
    events = told["events"]
    assert (events["questions"], events["unlabelled"]) == (2, 1)
    names = ["sequence", "best of each event", "uniform", "random", "oracle"]
    assert list(events["rows"]) == names

    apart: list[bool] = []
    together: list[bool] = []
    for record in ASKED[1:3]:
        rows, scores = expected_rows(record["video_path"], record["events"])
        own = read_timeline(
            index, seen_as(index, world().videos / record["video_path"]).content_hash
        )
        labels = record.get("support_ranges") or [
            [t - 0.5, t + 0.5] for t in record["support_frames"]
        ]
        for found, picked in ((together, rows), (apart, scores.argmax(axis=1).tolist())):
            right = [
                own.time_s[row] <= end + 1e-4 and own.end_s[row] > start + 1e-4
                for row, (start, end) in zip(picked, labels, strict=True)
            ]
            found.append(all(right))
    rows_told = [events["rows"][name]["sequence"]["mean"] for name in names[:2]]
    assert rows_told == [np.mean(together), np.mean(apart)]
    assert events["minus_best_of_each"]["sequence"]["mean"] == rows_told[0] - rows_told[1]

    plain = write_questions(tmp_path / "plain.json", ASKED[0])
    without = ran(capsys, "compare.py", plain, "--index", index).records[0]
    assert without["rows"] == told["rows"]
    assert "events" not in without
    ordered = write_questions(tmp_path / "events.json", *ASKED[1:3])
    alone = ran(capsys, "compare.py", ordered, "--index", index)
    assert alone.code == 0, alone.err
    assert (alone.records[0]["rows"], alone.records[0]["questions"]) == ({}, 0)
    assert alone.records[0]["events"]["rows"] == events["rows"]


def test_a_rule_is_chosen_on_the_other_questions(
    questions: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rules = tmp_path / "rules.json"
    flags = ("--index", world().index, "--choose", rules)
    (told,) = ran(capsys, "compare.py", questions, *flags).records
    assert (told["questions"], told["unlabelled"]) == (1, 1)
    events = write_questions(tmp_path / "events.json", ASKED[1])
    refused(ran(capsys, "compare.py", events, *flags), "no labelled question without events")
