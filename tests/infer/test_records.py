"""Records of any kind: what a question file's tests do not tell (tests/test_questions.py)."""

import json
from pathlib import Path

import pytest
from pydantic import Field

from index.errors import CueframeError
from infer.records import Record, load_records, short


class Note(Record):
    """A record of the tests."""

    size: int = Field(0, description="a whole number")


def load(tmp_path: Path, text: str) -> list[Note]:
    path = tmp_path / "notes.json"
    path.write_text(text, encoding="utf-8")
    return load_records(path, Note, "note")


@pytest.mark.parametrize(
    "text",
    [
        '{"data": [{"id": "a", "size": 3}, {"id": 7}]}',
        '[{"id": "a", "size": 3}, {"id": 7}]',
        '{"id": "a", "size": 3}\n\n{"id": 7}\n',
    ],
)
def test_the_three_formats(tmp_path: Path, text: str) -> None:
    assert [(note.id, note.size) for note in load(tmp_path, text)] == [("a", 3), ("7", 0)]


def test_errors_use_the_noun(tmp_path: Path) -> None:
    for text, wanted in (
        ("[]", "there is no note in it"),
        ("3", "3 is not a list of notes"),
        ('[{"id": "a", "size": "x"}]', "note 'a' (record 1): size is 'x'; want a whole number"),
        ('{"size": "x"}', "record 1: id is missing"),
        ('{"id": 1}\n{"id": "1"}', "id '1' stands twice, in line 1 and in line 2"),
    ):
        with pytest.raises(CueframeError) as error:
            load(tmp_path, text)
        assert wanted in str(error.value)
        assert "\n" not in str(error.value)


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(CueframeError, match="give a JSON file of notes"):
        load_records(tmp_path / "none", Note, "note")


def test_long_values_are_cut() -> None:
    assert short("x" * 200) == "'" + "x" * 58 + "…"
    assert short({"a": 1}) == "{'a': 1}"
    assert len(short(json.dumps(list(range(99))))) == 60
