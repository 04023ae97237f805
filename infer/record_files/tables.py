"""Rows of tables as records: CSV by the standard library, Parquet by pyarrow (extra `parquet`)."""

import ast
import csv
import io
import json
from collections.abc import Iterator, Mapping
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
    text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
    number = 1
    try:
        head = text.readline()
        separator = max(",;\t", key=head.count)
        keys = next(csv.reader([head], delimiter=separator, strict=True), [])
        rows = csv.reader(text, delimiter=separator, strict=True)
        while True:
            number = 2 + rows.line_num
            try:
                cells = next(rows)
            except StopIteration:
                return
            except csv.Error as error:
                yield number, f"{error}; mend the table there"
                continue
            if len(cells) > len(keys):
                yield number, f"it has {len(cells)} cells, and the head has {len(keys)}"
            elif cells:
                row = zip(keys, cells, strict=False)
                yield number, {key: _cell(cell) for key, cell in row if key and cell.strip()}
    except UnicodeDecodeError as error:
        raise CueframeError(
            f"{name}: byte {error.start} after line {number} is not UTF-8; save the file as UTF-8"
        ) from error
    except csv.Error as error:
        raise CueframeError(f"{name}: line 1 is no head of a table: {error}") from error
    finally:
        text.detach()


def _cell(cell: str) -> object:
    if not cell.lstrip().startswith(("[", "{")):
        return cell
    try:
        return json.loads(cell)
    except (ValueError, RecursionError):
        pass
    try:
        return ast.literal_eval(cell.strip())
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return cell


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
