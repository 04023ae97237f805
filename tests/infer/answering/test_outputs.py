"""Answers in the questions' order, and what is told."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from index.errors import VideoError
from infer.answering.outputs import print_problems, save_all, undecided_of, write_answers
from infer.answering.run_log import as_json_line
from infer.queries import Query
from infer.questions import Question
from infer.records import RecordFile, RefusedRecord

Capture = pytest.CaptureFixture[str]
QUESTIONS = [
    Question.model_validate({"id": name, "question": "?", "video_path": f"{name}.mp4"})
    for name in ("b", "a, 1", 'c"\n', "d")
]
FILE = RecordFile("q.json", QUESTIONS, [])
FAILED = {1: {"id": "a, 1", "video_path": "a, 1.mp4", "error": "is gone"}}
LINES = {
    "d": as_json_line({"id": "d", "answer": {"text": "Một câu, dài"}}),
    'c"\n': as_json_line({"id": 'c"\n', "answer": {"letter": "C", "text": "C. x"}}),
    "b": as_json_line({"id": "b", "answer": {"letter": "B", "text": "B. y"}}),
}


def test_answers_are_in_the_questions_order(tmp_path: Path) -> None:
    expected = [LINES["b"], as_json_line(FAILED[1]), LINES['c"\n'], LINES["d"]]
    write_answers(str(tmp_path / "answers.jsonl"), FILE, LINES, FAILED)
    assert (tmp_path / "answers.jsonl").read_bytes() == b"".join(expected)


def test_answers_on_stdout(monkeypatch: pytest.MonkeyPatch) -> None:
    held = io.BytesIO()
    out = io.TextIOWrapper(held, encoding="ascii")  # whatever the locale
    monkeypatch.setattr("sys.stdout", out)
    write_answers("-", FILE, LINES, FAILED)
    assert held.getvalue().splitlines(keepends=True)[3] == LINES["d"]


def test_refused_records_stand_where_they_stood(tmp_path: Path) -> None:
    refused = [
        RefusedRecord("record 1", 0, "odd", "v\n", "choices is None"),
        RefusedRecord("record 6", 4, None, "", "id is missing"),
    ]
    path = tmp_path / "answers.jsonl"
    write_answers(str(path), RecordFile("q.json", QUESTIONS, refused), LINES, FAILED)
    records = [json.loads(line) for line in path.read_bytes().splitlines()]
    assert [one["id"] for one in records] == ["odd", "b", "a, 1", 'c"\n', "d", "record 6"]
    assert records[0] == {"id": "odd", "video_path": "v\n", "error": "choices is None"}


def test_failures_are_told_in_order_and_not_all(capsys: Capture) -> None:
    failed = {n: {"id": f"q{n}", "error": "is gone"} for n in range(13, -1, -1)}
    print_problems(FILE, failed, ["q20: cannot tell"])
    lines = capsys.readouterr().err.splitlines()
    assert lines[:8] == [f"failed: q{n}: is gone" for n in range(8)]
    assert lines[8] == "failed: 6 more, see --output"
    assert lines[9] == "not answered: q20: cannot tell"
    print_problems(FILE, {}, [])
    assert capsys.readouterr() == ("", "")


def test_each_video_is_saved_once_and_a_lost_one_is_told(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    queries = [
        Query(place=n, question=one, texts=("?",), path=f"/v/{video}", content_hash=video)
        for n, (one, video) in enumerate(zip(QUESTIONS, "xyxz", strict=True))
    ]
    lines = {
        one.id: as_json_line({"id": one.id, "frames": [{"time_s": float(n)}, {"time_s": n + 0.5}]})
        for n, one in enumerate(QUESTIONS)
        if n != 1
    }
    calls: list[tuple[Path, Any]] = []

    def save(video: Path, picks: Any, folder: Path, size: tuple[int, int]) -> int:
        assert (folder, size) == (tmp_path, (16, 9))
        if video.name == "z":
            raise VideoError("is torn")
        calls.append((video, picks))
        return int(np.sum([len(times_s) for _, times_s in picks]))

    monkeypatch.setattr("infer.answering.outputs.save_frames", save)
    assert save_all(tmp_path, queries, lines, lambda content: Path("/now", content), (16, 9)) == (
        4,
        1,
    )
    assert calls == [(Path("/now/x"), [("b", [0.0, 0.5]), ('c"\n', [2.0, 2.5])])]
    assert capsys.readouterr().err == "failed: no frames of /v/z are saved: is torn\n"


def test_a_lost_file_costs_one_line(tmp_path: Path, capsys: Capture) -> None:
    def gone(content: str) -> Path:
        raise VideoError(f"{content} is gone")

    queries = [Query(place=0, question=QUESTIONS[0], texts=("?",), path="/v/x", content_hash="x")]
    lines = {"b": as_json_line({"id": "b", "frames": [{"time_s": 0.0}]})}
    assert save_all(tmp_path, queries, lines, gone, (16, 9)) == (0, 1)
    assert capsys.readouterr().err == "failed: no frames of /v/x are saved: x is gone\n"


def test_what_a_reader_could_not_decide() -> None:
    tie = {"text": "", "undecided": "cannot tell A, B apart", "probabilities": {}}
    odd = {"letter": "A", "text": '"undecided":'}
    lines = LINES | {"b": as_json_line({"answer": tie}), "e": as_json_line({"answer": odd})}
    lines["f"] = as_json_line({"answer": odd, "answers": {"picked": odd, "all": tie}})
    assert undecided_of(lines) == ["b: cannot tell A, B apart"]
