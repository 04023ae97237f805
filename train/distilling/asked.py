"""The labelled questions by which a distillation counts hits, and their rows of the table.

Legend: m questions, w windows of a text, D width of a vector.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from index.arrays import Floats
from index.errors import CueframeError
from index.messages import say
from index.models.encoder import Encoder
from index.storage.store import Profile
from infer.evaluation.rule_picks import AskedQuestions
from infer.metrics import is_labelled, require_labels
from infer.question_files.loading import read_questions
from infer.questions import Question
from infer.videos.indexed_videos import IndexedVideos
from train.distilling.column_language import language_of_column
from train.distilling.encoding import windows_of
from train.distilling.hits import HitTable, asked_of_index, hit_table
from train.distilling.pairs import Pairs, read_pairs


class Asked(NamedTuple):
    """A labelled question in a language that the student is taught."""

    question: Question
    text: str
    teacher: str | None
    """The same in the teacher's language, where that is known."""
    language: str

    @property
    def said(self) -> set[str]:
        """Its texts in all languages."""
        return {self.text} | ({self.teacher} if self.teacher else set())


def asked_questions(
    pairs: Pairs, source: Path | None, layout: str, labels: Sequence[Path]
) -> tuple[list[Asked], bool]:
    """Return the labelled questions of --questions, else those that the pairs are from.

    Of questions in the teacher's language, their paraphrases in other languages are asked. Others
    are asked as they are, and have the teacher's text of the pairs' question of the same id.

    Returns:
        The questions, and whether all of the file could be read.

    Raises:
        CueframeError: The file cannot be read, or no question is labelled.
    """
    if source is None:
        return [_asked(*one) for one in pairs.asked], True
    file = read_questions(source, layout=layout, labels=labels)
    file.print_refused("question")
    require_labels(file.records)
    language = language_of_column([one.question for one in file.records])
    if language == pairs.teacher_language:
        if not any(one.paraphrases for one in file.records):
            raise CueframeError(
                f"--questions {source} is in {language}, which the teacher reads; give questions "
                f"in {' or '.join(pairs.languages)}, or leave it out"
            )
        return [_asked(*one) for one in read_pairs([source]).asked], file.complete
    texts = {one.question.id: one.teacher for one in pairs.asked}
    asked = [
        Asked(one, one.question, texts.get(one.id), language)
        for one in file.records
        if is_labelled(one)
    ]
    return asked, file.complete


def _asked(question: Question, teacher: str, student: str, language: str) -> Asked:
    return Asked(question, student, teacher, language)


class Placed(NamedTuple):
    """The questions of one language whose videos are indexed, as the teacher reads them."""

    language: str
    numbers: list[int]
    """(N,) their numbers among all that are asked."""
    questions: AskedQuestions
    own: tuple[str, Sequence[Floats]] | None
    """The name of the row in the teacher's own language, where all are known in it, and the vectors
    (w, D) of each question."""
    as_it_is: tuple[str, Sequence[Floats]]


def placed_questions(
    asked: Sequence[Asked],
    teacher: Encoder,
    *,
    index: Path,
    profile: Profile,
    indexed: IndexedVideos,
    teacher_language: str,
) -> list[Placed]:
    """Find the videos of labelled questions, and encode the questions by the teacher.

    Args:
        asked: The m questions.
        teacher: The index's encoder.
        index: The index.
        profile: Its profile.
        indexed: Its videos.
        teacher_language: Code of the language in which the teacher reads the questions.
    """
    found: list[Placed] = []
    for language in dict.fromkeys(one.language for one in asked):
        numbers = [n for n, one in enumerate(asked) if one.language == language]
        questions = [asked[n].question for n in numbers]
        placed = asked_of_index(questions, index, profile, indexed)
        if not placed.timed:
            say(
                f"none of {len(numbers)} labelled questions can be asked of {index}, so no hits "
                "count"
            )
            continue
        numbers = [numbers[query.place] for query in placed.queries]
        first = [text for n in numbers if (text := asked[n].teacher)]
        own = None
        if len(first) == len(numbers):
            own = (f"teacher, {teacher_language}", windows_of(teacher, first))
        texts = windows_of(teacher, [asked[n].text for n in numbers])
        found.append(
            Placed(language, numbers, placed, own, (f"teacher, {language} as it is", texts))
        )
    return found


def hits_of(placed: Sequence[Placed], ways: Mapping[str, Floats], seed: int) -> dict[str, HitTable]:
    """Return a table of hits for each language.

    Args:
        placed: The questions, from `placed_questions`.
        ways: By way of fitting, (m, D) vectors of all texts asked by what has not seen them.
        seed: Seed of the bootstrap.
    """
    return {
        one.language: hit_table(
            one.questions,
            {way: [vectors[n][None] for n in one.numbers] for way, vectors in ways.items()},
            one.own,
            one.as_it_is,
            seed,
        )
        for one in placed
    }
