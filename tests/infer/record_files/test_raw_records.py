"""Which format a file is in; the layouts themselves are in the other tests of this folder."""

import io
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from index.errors import CueframeError
from infer.record_files.json_stream import MAX_RECORD_BYTES
from infer.record_files.raw_records import RawRecord, read_raw_records

RECORDS = [{"id": 1, "question": "a"}, {"id": 2, "question": "b"}]


def read(path: Path | str) -> list[RawRecord]:
    return list(read_raw_records(path, "question", {"id", "question"}.__contains__))


def test_every_format_gives_the_same_records(tmp_path: Path) -> None:
    lines = "\n".join(map(json.dumps, RECORDS))
    for name, text in (
        ("list.json", json.dumps(RECORDS)),
        ("data.txt", json.dumps({"data": RECORDS}, indent=2)),
        ("lines.json", lines),
        ("lines.jsonl", lines + "\n"),
        ("one.jsonl", lines.split("\n")[0]),
        ("table.csv", "id,question\n1,a\n2,b\n"),
        ("table.TSV", "id\tquestion\n1\ta\n2\tb\n"),
    ):
        path = tmp_path / name
        path.write_text(text)
        found = [one.value for one in read(path)]
        assert [str(one["id"]) for one in found if isinstance(one, dict)] == ["1", "2"][
            : len(found)
        ]
        assert len(found) == (1 if name == "one.jsonl" else 2)
    for name in ("table.parquet", "without_ending"):
        pq.write_table(pa.Table.from_pylist(RECORDS), tmp_path / name)
        assert [one.value for one in read(tmp_path / name)] == RECORDS


def test_places_and_errors(tmp_path: Path) -> None:
    path = tmp_path / "lines.jsonl"
    path.write_bytes(b'\n{"id": 1}\n{"id": \n\xff\n' + b"x" * (MAX_RECORD_BYTES + 9) + b"\n7")
    found = read(path)
    assert [(one.place, one.value) for one in found] == [
        ("line 2", {"id": 1}),
        *((f"line {n}", None) for n in (3, 4, 5)),
        ("line 6", 7),
    ]
    assert [one.error and one.error.split("; ")[0] for one in found] == [
        None,
        "Expecting value (line 4)",
        "byte 0 of it is not UTF-8",
        "it takes more than 8 MiB",
        None,
    ]


def test_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(json.dumps(RECORDS).encode())))
    assert [one.value for one in read("-")] == RECORDS


@pytest.mark.parametrize("name", ["none.json", "none.csv", "none.parquet", "."])
def test_a_file_that_is_not_there(tmp_path: Path, name: str) -> None:
    with pytest.raises(CueframeError, match=r"cannot be read \(.*give a file of questions, or -"):
        read(tmp_path / name)


def test_a_full_temporary_folder_is_not_laid_to_the_input(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: object, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(json.dumps(RECORDS).encode())))
    monkeypatch.setattr("tempfile.SpooledTemporaryFile.write", full)
    with pytest.raises(CueframeError, match=r"no temporary file .* \(No space left .* by TMPDIR"):
        read("-")


def test_lines_of_text_where_they_are_wanted(tmp_path: Path) -> None:
    path = tmp_path / "texts"

    def texts() -> list[RawRecord]:
        names = {"id", "question"}.__contains__
        return list(read_raw_records(path, "text", names, plain_lines=True))

    long = b"x" * (MAX_RECORD_BYTES + 9)
    path.write_bytes(b"\xef\xbb\xbfa car\n\n \t\r\na [b]\r\n\xff\n" + long + b"\nb")
    assert [(one.place, str(one.value).strip()) for one in texts()] == [
        ("line 1", "a car"),
        ("line 4", "a [b]"),
        ("line 5", "None"),
        ("line 6", "None"),
        ("line 7", "b"),
    ]
    assert [bool(one.error) for one in texts()] == [False, False, True, True, False]
    for text in ('["a car", "b"]', ' \n[\n"a car", "b"]', '"id","question"\n1,a car\n2,b\n'):
        path.write_text(text)
        found = [
            one.value["question"] if isinstance(one.value, dict) else one.value for one in texts()
        ]
        assert found == ["a car", "b"]
    path.write_bytes(b"")
    assert texts() == []
    path.write_text("a car")
    with pytest.raises(CueframeError, match="want"):
        read(path)
