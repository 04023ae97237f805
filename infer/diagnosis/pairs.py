"""Pairs of texts that say the same: a question and its translation, or another wording of it."""

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from index.errors import CueframeError
from infer.diagnosis.translations import Pair
from infer.question_files.loading import read_questions
from infer.questions import Question
from infer.records import RecordFile, short

_FEWEST = 0.05
"""Share of the pairs that a group has; one of fewer is of languages that were guessed wrongly."""


def translated(questions: Sequence[Question], path: Path | str) -> tuple[list[Pair], list[str]]:
    """Return the questions with their texts of another file of the same ids.

    Returns:
        The pairs, without those of equal texts, and the ids of the questions that have no
        translation there.

    Raises:
        CueframeError: The file cannot be read, or has none of the ids.
    """
    file: RecordFile[Question] = read_questions(path)
    file.print_refused("translation")
    texts = {one.id: one.question for one in file.records}
    found = [(one, texts[one.id]) for one in questions if one.id in texts]
    if not found:
        raise CueframeError(
            f"--translations {path} has none of the ids of the questions, such as "
            f"{short(questions[0].id)}; give the same questions in another language"
        )
    pairs = [
        Pair(one.video_path, one.question, text, ("", ""), str(path))
        for one, text in found
        if text and one.question and text != one.question
    ]
    if not pairs:
        raise CueframeError(
            f"the texts of --translations {path} are those of the questions themselves; give "
            "translations"
        )
    return pairs, [one.id for one in questions if one.id not in texts]


def reworded(questions: Sequence[Question]) -> list[Pair]:
    """Return the questions with each of their paraphrases that is another text."""
    return [
        Pair(one.video_path, one.question, text, ("", ""))
        for one in questions
        for text in one.paraphrases
        if one.question and text != one.question
    ]


def by_languages(pairs: Sequence[Pair], language: Callable[[str], str]) -> list[list[Pair]]:
    """Group pairs by the languages of both texts, the largest group first.

    What would be a small group goes with the largest; one without two different texts is left out.
    """
    counts: Counter[tuple[str, str]] = Counter()
    named = []
    for pair in pairs:
        languages = language(pair.text), language(pair.other)
        counts[languages] += 1
        named.append(pair._replace(languages=languages))
    groups: dict[tuple[str, str], list[Pair]] = {}
    for pair in named:
        known = pair.languages
        if counts[known] < _FEWEST * len(pairs):
            known = counts.most_common(1)[0][0]
        groups.setdefault(known, []).append(pair._replace(languages=known))
    told = [group for group in groups.values() if len({one.other for one in group}) > 1]
    return sorted(told, key=len, reverse=True)
