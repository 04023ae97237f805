"""Which texts of questions to translate: a table of those that stand for most others."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from index.arrays import Floats
from index.errors import CueframeError
from index.storage.atomic_write import written_whole
from infer.question_files.loading import load_questions
from infer.record_files.raw_records import RawRecord, read_raw_records
from train.distilling.cover import covering
from train.distilling.pair_tables import TEACHER_NAMES, empty_table, is_pair_key, pair_rows
from train.distilling.translations import has_letter, tidy


class Suggestion(NamedTuple):
    """Texts that are worth translating."""

    texts: list[str]
    """The most useful first."""
    cover: Floats
    """After each of them, the mean over all texts of the largest cosine to one so far."""
    total: int
    """How many different texts there are."""


def suggest(
    files: Sequence[Path],
    count: int,
    output: Path,
    vectors_of: Callable[[Sequence[str]], Floats],
) -> Suggestion:
    """Choose the texts of questions whose translation helps most, and write them as a table.

    Args:
        files: Files of questions.
        count: How many texts are wanted.
        output: A CSV file, which `train.distilling.pairs.read_pairs` reads when it is filled in.
        vectors_of: Gives the unit vectors (N, D) of texts by the student.

    Raises:
        CueframeError: A file cannot be read or written, `output` holds something that was not
            written here or was filled in, or no text has letters.
    """
    refuse_filled_in(output)
    texts = untranslated_texts(files)
    rows, cover = covering(np.asarray(vectors_of(texts)), count)
    chosen = [texts[row] for row in rows]
    refuse_filled_in(output)  # encoding takes its time
    with written_whole(output) as temporary:
        temporary.write_bytes(empty_table(chosen).encode())
    return Suggestion(chosen, cover, len(texts))


def untranslated_texts(files: Sequence[Path]) -> list[str]:
    """Return the different texts of questions and of their events, in the files' order.

    Choices are left out: most are words of a question, and a list of hundreds would be their names.

    Raises:
        CueframeError: A file cannot be read, or no text has letters.
    """
    texts: dict[str, None] = {}
    for path in files:
        for question in load_questions(path):
            for text in (question.question, *question.events):
                try:
                    texts[tidy(text)] = None
                except ValueError:  # control characters, of which read_pairs would complain
                    continue
    found = [text for text in texts if has_letter(text)]
    if not found:
        names = ", ".join(map(str, files))
        raise CueframeError(f"{names}: no question has a text with letters; nothing to translate")
    return found


def refuse_filled_in(output: Path) -> None:
    """Refuse a file that is there, unless it is a table of texts without any translation.

    Raises:
        CueframeError: It holds translations, or something else.
    """
    if not output.exists():
        return
    try:
        rows = list(read_raw_records(output, "pair", is_pair_key, table=pair_rows))
    except CueframeError:
        rows = [RawRecord("", None)]
    if not all(map(_is_to_be_filled_in, rows)):
        raise CueframeError(
            f"{output} is there, and is no table of texts without translations; name another file, "
            "so that nothing is lost"
        )


def _is_to_be_filled_in(raw: RawRecord) -> bool:
    value = raw.value if isinstance(raw.value, dict) else {}
    filled = {key for key, cell in value.items() if cell and str(cell).strip()}
    return filled == {TEACHER_NAMES[-1]}
