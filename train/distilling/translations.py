"""Texts with their translations into one language, as a file gives them, and pairs made of them."""

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import NamedTuple

from infer.questions import Question
from infer.records import short
from infer.texts.clean_text import MAX_TEXT_CHARS, clean_text
from train.distilling.column_language import FEWEST_TEXTS, language_of_column

_CONTROL = re.compile("[\x00-\x08\x0e-\x1b\x7f-\x9f\ud800-\udfff]")
"""Control characters other than those that are blanks, and bytes that are not UTF-8."""


class Row(NamedTuple):
    """A text and its translation, not yet checked."""

    place: str
    """Where it stands in its file: "line 3"."""
    teacher: object
    student: object
    group: str | None = None
    """What may not be divided between folds; None for the text itself."""
    part_of_question: bool = False
    """Whether it is a choice or an event, which are often numbers or names, the same anywhere."""


@dataclass
class Translations:
    """Texts of the teacher's language with their translations into one language."""

    name: str
    """The file, with the column if it has several."""
    rows: list[Row]
    language: str | None = None
    """Language of the translations, where the file says so."""
    teacher_language: str | None = None
    asked: list[tuple[int, Question]] = field(default_factory=list)
    """Labelled questions, each with the number of the row that holds its text."""


class Checked(NamedTuple):
    """What can be used of translations."""

    texts: dict[int, tuple[str, str]]
    """By number of row, the cleaned text and its translation."""
    language: str
    teacher_language: str
    wrong: list[str]
    """A line for each row that cannot be used."""
    notes: list[str]
    refused: str | None = None
    """Why nothing can be used, if so."""


def check(given: Translations) -> Checked:
    """Clean texts and translations, and say what is wrong with those that cannot be used."""
    texts: dict[int, tuple[str, str]] = {}
    wrong: list[str] = []
    same = alike = 0
    for number, row in enumerate(given.rows):
        try:
            teacher, student = tidy(row.teacher), tidy(row.student)
        except ValueError as error:
            wrong.append(f"{given.name}: {row.place}: {error}")
            continue
        if teacher == student:
            same += 1
        elif has_letter(teacher) or has_letter(student):
            texts[number] = teacher, student
            continue
        if row.part_of_question:
            alike += 1
        elif teacher == student:
            reason = f"its text and its translation are both {short(teacher)}; want a translation"
            wrong.append(f"{given.name}: {row.place}: {reason}")
        else:
            reason = f"{short(teacher)} and {short(student)} have no letters; want words"
            wrong.append(f"{given.name}: {row.place}: {reason}")
    notes = []
    if alike:
        notes.append(
            f"{given.name}: {alike} choices and events are left out, which are the same in both "
            "languages or have no letters"
        )
    language = given.language or language_of_column([student for _, student in texts.values()])
    own = given.teacher_language or language_of_column([teacher for teacher, _ in texts.values()])
    refused = None
    if not texts and same == len(given.rows) > 0:
        refused = (
            f"{given.name}: text and translation are the same in all of {same} pairs; give a "
            "column, or a file, in another language"
        )
    elif not texts:
        refused = "; ".join(wrong[:3]) or f"{given.name}: there is no pair in it"
    elif _all_one([student for _, student in set(texts.values())]):
        refused = (
            f"{given.name}: all of {len(texts)} translations are {short(student)}; give each text "
            "its own"
        )
    elif own == language and len(texts) >= FEWEST_TEXTS:
        refused = (
            f"{given.name}: the texts and their translations are both in one language, {own}; give "
            "translations, or, if they are, name the columns by their languages, such as en,vi"
        )
    return Checked(texts, language, own, wrong, notes, refused)


def _all_one(translations: Collection[str]) -> bool:
    """Return whether several texts have the same translation, of which nothing can be learned."""
    return len(translations) > 1 and len(set(translations)) == 1


def tidy(text: object) -> str:
    """Return a text as everything else reads it: cleaned, each run of blanks one space.

    Raises:
        ValueError: It is no text, blank, too long, or has control characters.
    """
    if not isinstance(text, str):
        raise ValueError(f"{short(text)} is no text; want one")  # noqa: TRY004 - one kind of error for a bad record
    if len(text) > MAX_TEXT_CHARS:
        raise ValueError(f"a text has {len(text)} characters; shorten it to {MAX_TEXT_CHARS}")
    if found := _CONTROL.search(text):
        raise ValueError(f"{short(text)} holds the character U+{ord(found[0]):04X}; take it out")
    clean = " ".join(clean_text(text).split())
    if not clean:
        raise ValueError("its text is empty; want a text and its translation")
    return clean


def is_blank(text: object) -> bool:
    """Return whether nothing is given: no value, or a text without anything that is seen."""
    return text is None or (isinstance(text, str) and not clean_text(text[:MAX_TEXT_CHARS]).strip())


def has_letter(text: str) -> bool:
    """Return whether a text holds a letter of any script."""
    return any(map(str.isalpha, text))
