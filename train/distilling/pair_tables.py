"""Columns of texts and of their translations: CSV, TSV, JSON, JSON lines, Parquet.

    text,translation          en,vi,fr                  {"en": "a dog", "vi": "con chó"}
    a dog,con chó             a dog,con chó,un chien

The first column is in the teacher's language, and each further one holds translations, unless names
say otherwise. A table needs no head: its first line is one if it holds a name of these columns, or
two languages.
"""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, NamedTuple

from index.errors import CueframeError
from index.languages import known_languages
from infer.question_files.field_names import has_field, is_field_name
from infer.record_files.raw_records import read_raw_records, source_name
from infer.record_files.tables import Row as TableRow
from infer.record_files.tables import csv_cells, refuse_twice
from infer.records import short
from train.distilling.translations import Row, Translations, has_letter, is_blank

TEACHER_NAMES = ("teacher", "source", "text")
STUDENT_NAMES = ("student", "target", "translation")
_SNIFFED_BYTES = 1 << 16
_SEPARATORS = "\t,;"
_FORMULA = re.compile(r"'*[=+\-@]")
"""What a spreadsheet would run, and with how many apostrophes it was kept from that."""


class Table(NamedTuple):
    """The columns of translations of a file, and what is said of it."""

    columns: list[Translations]
    wrong: list[str]
    """A line for each record that cannot be read."""
    notes: list[str]


def read_table(source: Path) -> Table:
    """Read a file of texts with their translations, a column for each language.

    Raises:
        CueframeError: The file cannot be read, or has fewer than two columns of texts.
    """
    name = source_name(source)
    wrong: list[str] = []
    rows: list[tuple[str, Mapping[str, object]]] = []
    for raw in read_raw_records(source, "pair", is_pair_key, table=pair_rows):
        record = None if raw.error else _record(raw.value, raw.key)
        if record is None:
            reason = raw.error or f"it is {short(raw.value)}; want a text and its translation"
            wrong.append(f"{name}: {raw.place}: {reason}")
        else:
            rows.append((raw.place, record))
    names = list(dict.fromkeys(key for _, record in rows for key in record))
    texts = _text_columns(names, [record for _, record in rows])
    if len(texts) < 2:
        found = f"its columns of texts are {', '.join(map(short, texts)) or 'none'}"
        there = f"{name}: {found if rows else 'it is empty'}"
        reason = "; ".join(wrong[:3]) or f"{there}; want two columns, divided by , ; or tabs"
        raise CueframeError(f"{reason}; give texts and their translations")
    teacher, students = _roles(texts)
    empty = [place for place, record in rows if all(is_blank(record.get(key)) for key in students)]
    if len(empty) == len(rows):
        raise CueframeError(
            f"{name}: none of {len(rows)} texts has a translation yet; fill them in"
        )
    notes = []
    if empty:
        notes.append(
            f"{name}: {len(empty)} of {len(rows)} texts have no translation yet, the first in "
            f"{empty[0]}"
        )
    if unread := [key for key in names if key not in (teacher, *students)]:
        notes.append(f"{name}: not read: the columns {', '.join(map(short, unread))}")
    columns = [
        Translations(
            f"{name}, column {student}" if len(students) > 1 else name,
            [
                Row(place, record.get(teacher), record.get(student))
                for place, record in rows
                if not is_blank(record.get(student))
            ],
            language_named(student),
            language_named(teacher),
        )
        for student in students
    ]
    for one in [one for one in columns if not one.rows]:
        columns.remove(one)
        notes.append(f"{one.name}: it holds no translation yet")
    return Table(columns, wrong, notes)


def pair_rows(file: IO[bytes], name: str) -> Iterator[tuple[int, TableRow | str]]:
    """Yield the number of each row's line, and its cells by column, or what is wrong with it.

    Columns of a table without a head are "column 1", "column 2" and so on. Cells are as they stand
    there, also empty ones; an apostrophe that keeps a spreadsheet from running one is taken off.

    Raises:
        CueframeError: It is not UTF-8, or two columns have one name.
    """
    keys: list[str] = []
    for number, cells in csv_cells(file, name, _separator(file)):
        if isinstance(cells, str):
            yield number, cells
            continue
        if not keys and _is_head(cells):
            keys = [cell.strip() for cell in cells]
            refuse_twice(keys, name)
            continue
        keys = keys or [f"column {n}" for n, _ in enumerate(cells, 1)]
        if len(cells) > len(keys):
            yield (
                number,
                f"it has {len(cells)} cells, and the table {len(keys)} columns; put quotes around "
                "a text that holds the separator",
            )
        elif any(cell.strip() for cell in cells):
            row = zip(keys, map(active, cells), strict=False)
            yield number, {key: cell for key, cell in row if key}


def inert(text: str) -> str:
    """Return the cell of a text that a spreadsheet does not run, nor change."""
    return f"'{text}" if _FORMULA.match(text) else text


def active(cell: str) -> str:
    """Return the text of a cell that `inert` made; any other is returned as it is."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


def language_named(column: str) -> str | None:
    """Return the language in the name of a column, such as vi, en-US or question_fr; else None."""
    parts = re.split(r"[_-]", column.strip().casefold())
    codes = [part for part in parts if len(part) == 2 and part in known_languages()]
    if parts[0] in codes:
        return parts[0]
    return codes[-1] if len(codes) == 1 and parts[-1] == codes[0] else None


def is_pair_key(key: str) -> bool:
    """Return whether a key names a column of pairs or a field of a question."""
    return _is_role(key) or is_field_name(key)


def _is_role(key: str) -> bool:
    return _plain(key) in TEACHER_NAMES + STUDENT_NAMES


def _is_named(key: str) -> bool:
    return _is_role(key) or language_named(key) is not None


def _plain(key: str) -> str:
    return key.strip().casefold()


def _separator(file: IO[bytes]) -> str:
    """Return the separator by which most lines of a table have the same number of cells, over 1.

    A head would tell by itself, but there may be none, and texts hold commas.
    """
    lines = file.read(_SNIFFED_BYTES).decode("utf-8-sig", errors="replace").splitlines()
    file.seek(0)
    lines = [line for line in lines if line.strip()][:100]

    def fitting(separator: str) -> int:
        try:
            counts = [len(cells) for cells in csv.reader(lines, delimiter=separator)]
        except csv.Error:
            return 0
        several = [count for count in counts if count > 1]
        return max(map(several.count, several), default=0)

    return max(_SEPARATORS, key=fitting)


def _is_head(cells: Sequence[str]) -> bool:
    if any(map(_is_role, cells)):
        return True
    return sum(language_named(cell) is not None for cell in cells) >= 2


def _record(value: object, key: str | None) -> Mapping[str, object] | None:
    """Return a record's texts by column, or None if it has no two of them."""
    if key is not None and isinstance(value, str):  # {"a dog": "con chó"}
        value = [key, value]
    if isinstance(value, list):
        return {f"column {n}": cell for n, cell in enumerate(value, 1)}
    if not isinstance(value, dict):
        return None
    inner = [one for one in value.values() if isinstance(one, dict)]
    texts = [one for one in value.values() if isinstance(one, str)]
    return inner[0] if len(inner) == 1 and len(texts) < 2 else value


def _text_columns(names: Sequence[str], rows: Sequence[Mapping[str, object]]) -> list[str]:
    """Return the columns that hold texts, by their names or since a cell has letters.

    Ids and names of videos are none.

    `id` is also the code of Indonesian: a column of that name has texts if one of them has a blank,
    or if there is only one other column.
    """
    texts = [key for key in names if _is_named(key) or _some(row.get(key) for row in rows)]
    if len(texts) < 2:  # translations that are yet to be filled in
        texts += [key for key in names if all(is_blank(row.get(key)) for row in rows)][:1]
    fields = [key for key in texts if is_field_name(key) and not has_field([key], "question")]
    if "id" in fields and any(" " in str(row.get("id", "")).strip() for row in rows):
        fields.remove("id")
    rest = [key for key in texts if key not in fields]
    return rest if len(rest) >= 2 else texts


def _some(cells: Iterable[object]) -> bool:
    """Return whether a cell holds a text with a letter."""
    return any(isinstance(cell, str) and has_letter(cell) for cell in cells)


def _roles(texts: Sequence[str]) -> tuple[str, list[str]]:
    """Return the column of the teacher's texts, and those of translations."""
    named = [key for key in texts if _plain(key) in STUDENT_NAMES]
    own = [key for name in TEACHER_NAMES for key in texts if _plain(key) == name]
    teacher = (own or [key for key in texts if key not in named] or [texts[0]])[0]
    return teacher, [key for key in named or texts if key != teacher]


def empty_table(texts: Iterable[str]) -> str:
    """Return a table of texts whose translations are to be filled in, as CSV.

    It begins with a byte order mark, without which Excel takes UTF-8 for the system's own code.
    """
    out = io.StringIO(newline="")
    rows = csv.writer(out)
    rows.writerow((TEACHER_NAMES[-1], STUDENT_NAMES[-1]))
    rows.writerows((inert(text), "") for text in texts)
    return "\ufeff" + out.getvalue()
