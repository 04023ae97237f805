"""Rows of CSV and Parquet files."""

import io
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from index.errors import CueframeError
from infer.record_files.tables import cell_value, csv_rows, parquet_rows


def rows(text: str | bytes) -> list[object]:
    data = text if isinstance(text, bytes) else text.encode()
    return [row for _, row in csv_rows(io.BytesIO(data), "t.csv")]


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("start", ["", "\ufeff"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_the_separator_is_that_of_the_head(separator: str, start: str, end: str) -> None:
    lines = [["id", "question", "note"], ["1", '"Why; or, how?"', ""], ["2", "Đâu?", "x"]]
    text = start + "".join(separator.join(line) + end for line in lines)
    assert rows(text) == [
        {"id": "1", "question": "Why; or, how?"},
        {"id": "2", "question": "Đâu?", "note": "x"},
    ]


def test_cells_that_hold_lists() -> None:
    text = """id,choices,more\n1,"[""a"", ""b""]","['its', ""x""]"\n2,[not a list,{'k': 1}\n"""
    first, second = rows(text)
    assert first == {"id": "1", "choices": ["a", "b"], "more": ["its", "x"]}
    assert second == {"id": "2", "choices": "[not a list", "more": {"k": 1}}


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("['A. Red' 'B. Blue']", ["A. Red", "B. Blue"]),
        ("['A. Red'\n 'B. Blue']", ["A. Red", "B. Blue"]),
        ("[4.4 5.5]", [4.4, 5.5]),
        ("{'a': 1}", {"a": 1}),
        *(
            (cell, cell)
            for cell in ("[...]", "{'a','b'}", "{0}", "[b'abc']", "{(1,2): 'x'}", "[1if 2")
        ),
    ],
)
def test_what_other_programs_write_for_a_list(cell: str, value: object) -> None:
    assert cell_value(cell) == value


def test_lines_before_the_head_and_blanks_after_commas() -> None:
    assert rows("sep=;\n\n;;\nid; question\n1; why\n") == [{"id": "1", "question": "why"}]


def test_a_quote_that_stays_open_says_what_it_costs() -> None:
    found = list(csv_rows(io.BytesIO(b'id,q\n1,a\n2,"b\n3,c\n4,d\n'), "t.csv"))
    assert found[0][1] == {"id": "1", "q": "a"}
    assert str(found[1][1]).endswith("the table is not read from there to line 5")


def test_two_columns_of_one_name_are_one_line() -> None:
    with pytest.raises(CueframeError, match=r"^t\.csv: 'answer' is the name of two columns"):
        rows("id,answer,answer\n1,a,b\n")


def test_a_text_may_have_line_ends_and_a_row_may_be_odd() -> None:
    text = 'id,question\n1,"two\nlines"\n2,b,c\n\n3\n4,"x"y\n5,z\n'
    found = list(csv_rows(io.BytesIO(text.encode()), "t.csv"))
    assert found[0] == (2, {"id": "1", "question": "two\nlines"})
    assert found[1][1] == "it has 3 cells, and the head has 2"
    assert found[2] == (6, {"id": "3"})
    assert "expected after" in str(found[3][1])
    assert found[-1][1] == {"id": "5", "question": "z"}


def test_bytes_that_are_not_utf8_are_one_line() -> None:
    with pytest.raises(CueframeError, match=r"^t\.csv: byte \d+ after line 1 is not UTF-8; save"):
        rows("id,question\n1,Đâu\n".encode("utf-16-le"))
    with pytest.raises(CueframeError, match="is not UTF-8"):
        rows("id,question\n1,café\n".encode("latin-1"))


def test_an_empty_table_has_no_rows() -> None:
    assert rows("") == rows("id,question\n") == []


def test_parquet_rows_without_empty_cells_and_bytes(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    records = [
        {"id": "a", "options": ["x", "y"], "n": None, "image": b"\x00"},
        {"id": "b", "options": ["z"], "n": 2.5, "image": b"\x01"},
    ]
    pq.write_table(pa.Table.from_pylist(records * 300), path)
    found = list(parquet_rows(path, "t"))
    assert len(found) == 600
    assert found[0] == (1, {"id": "a", "options": ["x", "y"]})
    assert found[599] == (600, {"id": "b", "options": ["z"], "n": 2.5})


def test_a_damaged_parquet_file_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    path.write_bytes(b"PAR1 no table PAR1")
    with pytest.raises(CueframeError, match=r"^t: it cannot be read as Parquet: [^\n]*$"):
        list(parquet_rows(path, "t"))


def test_without_pyarrow_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(CueframeError, match=r"needs pyarrow; run pip install -e '\.\[parquet\]'"):
        list(parquet_rows(io.BytesIO(), "t"))
