"""Pairs of a text in the language of an encoder and its translation, read from people's files."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from index.errors import CueframeError
from index.messages import print_some, say
from infer.questions import Question
from infer.records import MOST_REFUSED
from train.distilling.column_language import language_of_column
from train.distilling.pair_tables import read_table
from train.distilling.question_pairs import (
    GroupOf,
    holds_questions,
    joined_pairs,
    paraphrase_pairs,
    video_of,
)
from train.distilling.translations import Checked, Translations, check


class Pair(NamedTuple):
    """A text of the teacher's language and its translation."""

    teacher: str
    student: str
    group: str
    """What may not be divided between the folds of a cross-validation: the video of the question
    that it is from, else the teacher's text."""
    language: str
    """Language of the translation, an ISO 639 code."""


class AskedPair(NamedTuple):
    """A labelled question and its text in both languages."""

    question: Question
    teacher: str
    student: str
    language: str


class Pairs(NamedTuple):
    """The pairs of some files, and what could not be used."""

    pairs: list[Pair]
    """In the files' order, each once."""
    asked: list[AskedPair]
    """The labelled questions, where pairs come from questions."""
    teacher_language: str
    languages: tuple[str, ...]
    """Languages of the translations, in the files' order."""
    wrong: list[str]
    """A line for each record that cannot be used."""
    notes: list[str]
    """What else is left out, a line for each kind."""

    def print_left_out(self) -> None:
        """Print what could not be used to stderr."""
        print_some("not read", self.wrong, most=MOST_REFUSED)
        for note in self.notes:
            say(note)


def read_pairs(files: Sequence[Path], group_of: GroupOf = video_of) -> Pairs:
    """Read pairs from tables of texts and translations, and from questions.

    One file of questions has the translations in its `paraphrases`. Of several, the first is in the
    teacher's language, and the others are joined to it by id.

    Args:
        files: The files, in any mixture.
        group_of: Gives the group of a question; its video's path if left out.

    Raises:
        CueframeError: A file cannot be read, or no pair is left.
    """
    for path in files:
        if str(path) == "-" or path.is_fifo():
            raise CueframeError(f"pairs are read twice, and {path} can be read once; name a file")
    kept = list({path.resolve(): path for path in files}.values())
    twice = len(files) - len(kept)
    notes = [f"files given twice and read once: {twice}"] if twice else []
    questions = [path for path in kept if holds_questions(path)]
    wrong: list[str] = []
    columns: list[Translations] = []
    if questions:
        asked = (
            joined_pairs(questions, group_of)
            if len(questions) > 1
            else paraphrase_pairs(questions[0], group_of)
        )
        columns += asked.columns
        wrong += asked.wrong
        notes += asked.notes
    for path in kept:
        if path not in questions:
            table = read_table(path)
            columns += table.columns
            wrong += table.wrong
            notes += table.notes
    checked = [check(column) for column in columns]
    good = [pair for pair in zip(columns, checked, strict=True) if not pair[1].refused]
    refused = [one.refused for one in checked if one.refused]
    if not good:
        raise CueframeError("; ".join(refused[:3]))
    for one in checked:
        wrong += [one.refused] if one.refused else one.wrong
        notes += one.notes
    return _gathered(good, wrong, notes)


def _gathered(
    good: Sequence[tuple[Translations, Checked]], wrong: list[str], notes: list[str]
) -> Pairs:
    pairs: dict[tuple[str, str], Pair] = {}
    asked: list[AskedPair] = []
    count = 0
    for given, found in good:
        for number, (teacher, student) in found.texts.items():
            count += 1
            group = given.rows[number].group or teacher
            pairs.setdefault((teacher, student), Pair(teacher, student, group, found.language))
        asked += [
            AskedPair(question, *found.texts[number], found.language)
            for number, question in given.asked
            if number in found.texts
        ]
    if count > len(pairs):
        notes = [*notes, f"{count - len(pairs)} pairs stand more than once, and count once"]
    own = {found.teacher_language for _, found in good}
    teacher = (
        own.pop()
        if len(own) == 1
        else language_of_column([pair.teacher for pair in pairs.values()])
    )
    languages = tuple(dict.fromkeys(found.language for _, found in good))
    return Pairs(list(pairs.values()), asked, teacher, languages, wrong, notes)
