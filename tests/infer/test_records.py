"""Validation of records of any kind; question files are in tests/infer/question_files."""

import json
from collections.abc import Sequence

import pytest
from pydantic import Field

from index.errors import CueframeError
from infer.record_files.raw_records import RawRecord
from infer.records import Record, RecordFile, short, validated


class Note(Record):
    """A record of the tests."""

    size: int = Field(0, description="a whole number")


def file(*values: object) -> RecordFile[Note]:
    raws = [RawRecord(f"record {n}", value) for n, value in enumerate(values, 1)]
    return validated(raws, Note, "note", "notes.json")


def test_good_and_refused_records_in_their_order() -> None:
    found = file({"id": "a", "size": 3}, {"id": "b", "size": "x"}, 7, {"id": 7}, {"id": "a"})
    assert [(note.id, note.size) for note in found.records] == [("a", 3), ("7", 0)]
    assert [(one.place, one.after, one.id) for one in found.refused] == [
        ("record 2", 1, "b"),
        ("record 3", 1, None),
        ("record 5", 2, "a"),
    ]
    assert [one.id for one in found.in_order()] == ["a", "b", None, "7", "a"]


def test_errors_use_the_noun() -> None:
    for values, wanted in (
        ([], "notes.json: there is no note in it; want at least one"),
        ([3], "record 1: it is 3; want a JSON object"),
        ([{"id": "a", "size": "x"}], "record 1: note 'a': size is 'x'; want a whole number"),
        ([{"size": "x"}], "record 1: id is missing"),
        ([{"id": n, "size": None} for n in range(9)], "; and 6 more"),
    ):
        assert isinstance(values, Sequence)
        with pytest.raises(CueframeError) as error:
            file(*values)
        assert wanted in str(error.value)
        assert "\n" not in str(error.value)


def test_a_record_that_could_not_be_read() -> None:
    raws = [RawRecord("line 1", {"id": 1}), RawRecord("line 2", None, error="it is torn")]
    found = validated(raws, Note, "note", "notes.json")
    assert [(one.place, one.error) for one in found.refused] == [("line 2", "it is torn")]


def test_long_values_are_cut() -> None:
    assert short("x" * 200) == "'" + "x" * 58 + "…"
    assert short({"a": 1}) == "{'a': 1}"
    assert len(short(json.dumps(list(range(99))))) == 60
    deep: list[object] = []
    for _ in range(100_000):
        deep = [deep]
    assert short(deep) == "list of many levels"
