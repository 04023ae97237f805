"""The CSV file for a contest: an id and an answer for each question."""

import csv
import json
import re
from collections.abc import Mapping
from pathlib import Path

from index.errors import CueframeError
from index.storage.atomic_write import written_whole
from infer.questions import Question
from infer.records import RecordFile

_HARMLESS = re.compile(r"[+\-@]?[\w.,:/-]*")


def submission_columns(names: str) -> tuple[str, str]:
    """Return the names of the two columns, given as `id,answer`.

    Raises:
        CueframeError: They are not two different names.
    """
    columns = [name.strip() for name in names.split(",")]
    if len(columns) != 2 or not all(columns) or columns[0] == columns[1]:
        raise CueframeError(
            f"--submission-columns is {names!r}; give two names, for the id and the answer, such "
            "as id,answer"
        )
    return columns[0], columns[1]


def write_submission(
    path: Path,
    questions: RecordFile[Question],
    lines: Mapping[str, bytes],
    *,
    columns: str = "id,answer",
    guess: str = "",
) -> int:
    """Write rows of id and answer, a letter or a free text, in the order of the questions' file.

    Args:
        path: The CSV file.
        questions: All questions; a record that cannot be used gets a row if it has an id.
        lines: JSON lines of the answered questions, by id.
        columns: As `submission_columns` takes them.
        guess: What a question without an answer gets.

    Returns:
        How many questions got the guess.

    Raises:
        CueframeError: The file cannot be written.
    """
    guessed = 0
    written: set[str] = set()
    with (
        written_whole(path) as temporary,
        temporary.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file,
    ):
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(submission_columns(columns))
        for name in (one.id for one in questions.in_order()):
            if name is None or name in written:
                continue
            written.add(name)
            given = json.loads(lines[name])["answer"] if name in lines else {}
            answer = given.get("letter", given.get("text", ""))
            if not answer:
                answer, guessed = guess, guessed + 1
            rows.writerow([_inert(name), _inert(answer)])
    return guessed


def _inert(cell: str) -> str:
    """Return a cell that no spreadsheet runs: one that begins a formula gets an apostrophe.

    Ids such as `-0aM99dMu_4_0` and `@name-7_0`, which are in LongVideoBench, run nothing and stay.
    """
    runs = cell[:1] in tuple("=+-@\t\r\n") and not _HARMLESS.fullmatch(cell)
    return f"'{cell}" if runs else cell
