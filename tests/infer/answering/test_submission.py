"""Rows of a contest's file."""

import csv
from pathlib import Path

import pytest

from index.errors import CueframeError
from infer.answering.run_log import as_json_line
from infer.answering.submission import submission_columns, write_submission
from infer.questions import Question
from infer.records import RecordFile, RefusedRecord
from tests.infer.answering.test_outputs import LINES, QUESTIONS

REFUSED = [
    RefusedRecord("record 1", 0, "odd", "v", "choices is None"),
    RefusedRecord("record 3", 1, None, "", "id is missing"),
    RefusedRecord("record 6", 4, "d", "", "id 'd' stands twice"),
]


def rows(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return [*csv.reader(file)]


def test_a_row_for_each_question_that_has_an_id(tmp_path: Path) -> None:
    path = tmp_path / "deep/rows.csv"
    assert write_submission(path, RecordFile("q", QUESTIONS, REFUSED), LINES) == 2
    assert rows(path) == [
        ["id", "answer"],
        ["odd", ""],
        ["b", "B"],
        ["a, 1", ""],
        ['c"\n', "C"],
        ["d", "Một câu, dài"],
    ]
    assert b"\r" not in path.read_bytes()
    assert [one.name for one in path.parent.iterdir()] == ["rows.csv"]


def test_the_head_and_the_guess(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    file = RecordFile("q", QUESTIONS, [])
    assert write_submission(path, file, LINES, columns="qid, prediction", guess="A") == 1
    assert rows(path)[:3] == [["qid", "prediction"], ["b", "B"], ["a, 1", "A"]]


@pytest.mark.parametrize(
    ("cell", "written"),
    [
        ('=HYPERLINK("x")', '\'=HYPERLINK("x")'),
        ("=1", "'=1"),
        ("+1+cmd|' /C calc'!A0", "'+1+cmd|' /C calc'!A0"),
        ("-2+3*cmd|x", "'-2+3*cmd|x"),
        ("@SUM(1)", "'@SUM(1)"),
        ("\t=1", "'\t=1"),
        ("-0aM99dMu_4_0", "-0aM99dMu_4_0"),
        ("@name-7283_0", "@name-7283_0"),
        ("-5", "-5"),
        ("+84", "+84"),
        ("a=b", "a=b"),
    ],
)
def test_no_cell_is_run_by_a_spreadsheet(tmp_path: Path, cell: str, written: str) -> None:
    question = Question.model_validate({"id": f"x{cell}", "question": "?", "video_path": "v"})
    record = {"id": question.id, "answer": {"text": cell}}
    path = tmp_path / "rows.csv"
    write_submission(path, RecordFile("q", [question], []), {question.id: as_json_line(record)})
    assert rows(path)[1] == [f"x{cell}", written]


@pytest.mark.parametrize("names", ["id", "id,answer,more", "a,a", ",answer", "id,"])
def test_other_columns_are_refused(names: str) -> None:
    with pytest.raises(CueframeError, match="give two names"):
        submission_columns(names)


def test_a_file_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CueframeError, match=r"rows\.csv cannot be written"):
        write_submission(tmp_path / "file/rows.csv", RecordFile("q", QUESTIONS, []), LINES)


def test_an_undecided_question_gets_the_guess(tmp_path: Path) -> None:
    tie = {"text": "", "undecided": "the reader cannot tell the choices A, B apart"}
    lines = LINES | {"b": as_json_line({"id": "b", "answer": tie})}
    path = tmp_path / "rows.csv"
    assert write_submission(path, RecordFile("q", QUESTIONS, []), lines, guess="C") == 2
    assert rows(path)[1] == ["b", "C"]
