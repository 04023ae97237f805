"""Rows of tables as records: CSV by the standard library, Parquet by pyarrow (extra `parquet`)."""

import ast
import csv
import io
import json
import re
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import IO, Any

from index.errors import CueframeError

Row = dict[str, object]
_BATCH_ROWS = 256


def csv_rows(file: IO[bytes], name: str) -> Iterator[tuple[int, Row | str]]:
    """Yield the number of each row's line, and the row or what is wrong with it.

    The separator is the one of `,` `;` and tab that the head has most of. Empty cells are left out;
    a cell that holds a list or an object, as JSON or Python writes it, becomes one.

    Raises:
        CueframeError: It is not UTF-8, or no table.
    """
    rows = csv_cells(file, name)
    _, head = next(rows, (0, []))
    if isinstance(head, str):
        raise CueframeError(f"{name}: its first line is no head of a table: {head}")
    keys = [key.strip() for key in head]
    refuse_twice(keys, name)
    for number, cells in rows:
        if isinstance(cells, str):
            yield number, cells
        elif len(cells) > len(keys):
            yield number, f"it has {len(cells)} cells, and the head has {len(keys)}"
        else:
            row = zip(keys, cells, strict=False)
            yield number, {key: cell_value(cell) for key, cell in row if key and cell.strip()}


def csv_cells(
    file: IO[bytes], name: str, separator: str | None = None
) -> Iterator[tuple[int, list[str] | str]]:
    """Yield the number of each row's line and its cells, the head's first, or what is wrong.

    Args:
        file: The table.
        name: Its name in errors.
        separator: Stands between cells; None for the one of `,` `;` and tab that the first line
            has most of.

    Raises:
        CueframeError: It is not UTF-8.
    """
    text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
    number = 1
    try:
        head, before = text.readline(), 0
        while head and (not head.strip(" ,;\t\r\n") or head.startswith("sep=")):  # Excel's own line
            head, before = text.readline(), before + 1
        own = separator or separator_of(head)
        rows = csv.reader(chain([head], text), delimiter=own, strict=True, skipinitialspace=True)
        while True:
            number = 1 + before + rows.line_num
            try:
                cells = next(rows)
            except StopIteration:
                return
            except csv.Error as error:
                lost = before + rows.line_num
                end = f"; the table is not read from there to line {lost}" if lost > number else ""
                yield number, f"{error}; mend the table there{end}"
                continue
            if cells:
                yield number, cells
    except UnicodeDecodeError as error:
        raise CueframeError(
            f"{name}: byte {error.start} after line {number} is not UTF-8; save the file as UTF-8"
        ) from error
    finally:
        text.detach()


def separator_of(head: str) -> str:
    """Return the separator of a table: the one of `,` `;` and tab that its head has most of."""
    return max(",;\t", key=head.count)


def refuse_twice(keys: Sequence[str], name: str) -> None:
    """Refuse columns of the same name; those without any are fine."""
    twice = [key for key, times in Counter(keys).items() if key and times > 1]
    if twice:
        raise CueframeError(
            f"{name}: {twice[0]!r} is the name of two columns; give each a name of its own"
        )


def cell_value(cell: str) -> object:
    """Return the list or object that a text holds, as JSON, Python or NumPy writes it; else it."""
    text = cell.strip()
    if not text.startswith(("[", "{")):
        return cell
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    # NumPy puts no commas, and Python would glue the texts.
    if re.fullmatch(r"\[\s*(?:'[^']*'|\"[^\"]*\")(?:\s+(?:'[^']*'|\"[^\"]*\"))+\s*\]", text):
        return [one[1:-1] for one in re.findall(r"'[^']*'|\"[^\"]*\"", text)]
    if re.fullmatch(r"\[\s*[-+\d.e]+(?:\s+[-+\d.e]+)+\s*\]", text):
        try:
            return [float(one) for one in text[1:-1].split()]
        except ValueError:
            return cell
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)
            found = ast.literal_eval(text)
        json.dumps(found)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return cell
    return found if isinstance(found, list | dict) else cell


def parquet_rows(source: Path | IO[bytes], name: str) -> Iterator[tuple[int, Row]]:
    """Yield the number of each row and the row, without empty cells and binary columns.

    Raises:
        CueframeError: pyarrow is not installed, or cannot read the file.
    """
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ModuleNotFoundError as error:
        raise CueframeError(
            f"{name} is a Parquet file, which needs pyarrow; run pip install -e '.[parquet]' in "
            "the checkout"
        ) from error
    try:
        with parquet.ParquetFile(source) as table:
            refuse_twice(table.schema_arrow.names, name)
            read = [f.name for f in table.schema_arrow if not pa.types.is_binary(f.type)]
            number = 0
            for batch in table.iter_batches(_BATCH_ROWS, columns=read):
                for row in batch.to_pylist():
                    number += 1
                    yield number, _without_empty(row)
    except (pa.ArrowException, OSError) as error:
        reason = " ".join(str(error).split())
        raise CueframeError(f"{name}: it cannot be read as Parquet: {reason}") from error


def _without_empty(row: Mapping[str, Any]) -> Row:
    return {key: cell for key, cell in row.items() if cell is not None}
