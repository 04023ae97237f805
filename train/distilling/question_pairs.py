"""Questions with their translations: in `paraphrases`, or in a file of the same ids."""

import unicodedata
from collections.abc import Callable, Sequence
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from index.errors import CueframeError
from index.messages import name_some
from infer.metrics import is_labelled
from infer.question_files.field_names import has_field
from infer.question_files.loading import read_questions
from infer.question_files.nested_records import flat
from infer.questions import Question
from infer.record_files.raw_records import read_raw_records
from infer.records import RecordFile, short
from infer.texts.choice_markers import without_markers
from train.distilling.column_language import language_of_column, languages_of_each
from train.distilling.pair_tables import is_pair_key, pair_rows
from train.distilling.translations import Row, Translations

GroupOf = Callable[[Question], str]
"""What ties questions that may not be divided between folds: their video."""
_LOOKED_AT = 100
"""Records that are looked at to know whether they are questions."""


class QuestionPairs(NamedTuple):
    """Questions with their translations, by language, and what is said of them."""

    columns: list[Translations]
    wrong: list[str]
    notes: list[str]


def video_of(question: Question) -> str:
    """Return the path of a question's video in composed letters."""
    return unicodedata.normalize("NFC", question.video_path)


def holds_questions(source: Path) -> bool:
    """Return whether a file holds questions about videos, and not texts with translations.

    Raises:
        CueframeError: The file cannot be read.
    """
    raws = flat(read_raw_records(source, "pair", is_pair_key, table=pair_rows))
    for _, raw in zip(range(_LOOKED_AT), raws, strict=False):
        if isinstance(raw.value, dict) and has_field(raw.value, "video_path"):
            return has_field(raw.value, "question")
    return False


def paraphrase_pairs(source: Path, group_of: GroupOf) -> QuestionPairs:
    """Pair each question of a file with those of its paraphrases that are in other languages.

    Raises:
        CueframeError: The file cannot be read, or no paraphrase is a translation.
    """
    found = read_questions(source)
    own = language_of_column([question.question for question in found.records])
    given = [(number, text) for number, one in enumerate(found.records) for text in one.paraphrases]
    if not given:
        raise CueframeError(
            f"{found.name}: no question has paraphrases; put translations there, or give the same "
            "questions in another language as a second file"
        )
    languages = languages_of_each([text for _, text in given], own)
    columns: dict[str, Translations] = {}
    for (number, text), language in zip(given, languages, strict=True):
        if language == own:
            continue
        question = found.records[number]
        column = columns.setdefault(
            language, Translations(f"{found.name}, {language}", [], language, own)
        )
        _add(column, question, question.question, text, group_of)
    if not columns:
        raise CueframeError(
            f"{found.name}: all of {len(given)} paraphrases are in {own}, as the questions are; "
            "want translations"
        )
    return QuestionPairs(list(columns.values()), _refused(found), [])


def joined_pairs(sources: Sequence[Path], group_of: GroupOf) -> QuestionPairs:
    """Pair questions of the same id: those of the first file with those of each other file.

    Their choices are pairs, too, without their letters, if both questions have equally many, and so
    are their events: an encoder reads them with `--caption 2` and 3, `--choices each`, for events
    and for readers, and a word of a choice may stand in no question.

    Raises:
        CueframeError: A file cannot be read, or no id of the first is in another.
    """
    first = read_questions(sources[0])
    place_of = {one.id: place for place, one in enumerate(first.records)}
    columns: list[Translations] = []
    wrong, notes = _refused(first), []
    for source in sources[1:]:
        other = read_questions(source)
        wrong += _refused(other)
        column = Translations(other.name, [])
        uneven = 0
        alone: list[str] = []
        met: set[str] = set()
        for translated in other.records:
            if translated.id not in place_of:
                alone.append(translated.id)
                continue
            met.add(translated.id)
            question = first.records[place_of[translated.id]]
            labelled = question if is_labelled(question) else translated
            _add(column, labelled, question.question, translated.question, group_of)
            uneven += _add_parts(column, question, translated, group_of(question))
        if not met:
            raise CueframeError(
                f"no id of {first.name} is in {other.name}, {short(first.records[0].id)} for one; "
                "give the same questions in two languages"
            )
        notes += _alone(first, other, [name for name in place_of if name not in met], alone)
        if uneven:
            notes.append(
                f"{other.name}: the choices or events of {uneven} questions are left out, since "
                f"{first.name} has another number of them"
            )
        columns.append(column)
    return QuestionPairs(columns, wrong, notes)


def _add(
    column: Translations, question: Question, text: str, translation: str, group_of: GroupOf
) -> None:
    if is_labelled(question):
        column.asked.append((len(column.rows), question))
    place = f"question {short(question.id)}"
    column.rows.append(Row(place, text, translation, group_of(question)))


def _add_parts(column: Translations, one: Question, other: Question, group: str) -> bool:
    """Add the choices and events of a question; return whether they are not equally many."""
    choices = [without_markers(each.choices).texts for each in (one, other)]
    events = [one.events, other.events]
    place = f"a choice or event of question {short(one.id)}"
    even = [sides for sides in (choices, events) if len(sides[0]) == len(sides[1])]
    pairs = chain.from_iterable(zip(*sides, strict=True) for sides in even)
    column.rows += [Row(place, text, its, group, part_of_question=True) for text, its in pairs]
    return len(even) < 2


def _alone(
    first: RecordFile[Question], other: RecordFile[Question], left: list[str], right: list[str]
) -> list[str]:
    """Say which ids only one of two files has, in a line for each file."""
    return [
        f"{len(names)} questions of {here} are not in {there}: {name_some(names)}"
        for names, here, there in ((left, first.name, other.name), (right, other.name, first.name))
        if names
    ]


def _refused(found: RecordFile[Question]) -> list[str]:
    return [f"{found.name}: {one.place}: {one.error}" for one in found.refused]
