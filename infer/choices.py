"""The choices of a question: a letter for each, whatever the data wrote in front of it."""

import re
import string
from collections.abc import Sequence
from typing import Any

from index.errors import CueframeError
from infer.questions import Question

LETTERS = string.ascii_uppercase

_MARKED = re.compile(r"([A-Z])[.):]\s+(.+)", re.DOTALL)


def lettered(question: Question) -> list[tuple[str, str]]:
    """The letter and the text of each choice, in order from A on.

    "A. Red", "A) Red" and "A: Red" are Red, but only where all choices carry their own letters in
    order; else a marker belongs to the text.

    Raises:
        CueframeError: There are fewer than two choices or more than 26, or one stands twice.
    """
    texts = [choice.strip() for choice in question.choices]
    if not texts:
        raise CueframeError(
            f"question {question.id!r} has no choices; give it some, or let a vision-language "
            "--reader write with --free"
        )
    if not 2 <= len(texts) <= len(LETTERS):
        raise CueframeError(
            f"question {question.id!r} has {len(texts)} choices; a reader needs from 2 to "
            f"{len(LETTERS)} of them"
        )
    marked = [_MARKED.fullmatch(text) for text in texts]
    if all(found and found[1] == letter for found, letter in zip(marked, LETTERS, strict=False)):
        texts = [found[2] for found in marked if found]
    place: dict[str, int] = {}
    for number, text in enumerate(texts):
        first = place.setdefault(_spaced(text), number)
        if first != number:
            raise CueframeError(
                f"question {question.id!r}: the choices {LETTERS[first]} and {LETTERS[number]} are "
                f"both {text!r}; make them differ"
            )
    return list(zip(LETTERS, texts, strict=False))


def chosen(question: Question, shares: Sequence[float]) -> dict[str, Any]:
    """The answer of a reader, as a record has it: the likeliest choice, the earlier on a tie.

    Args:
        question: One that `lettered` takes.
        shares: Probability of each choice.
    """
    letters = [letter for letter, _ in lettered(question)]
    best = max(range(len(shares)), key=shares.__getitem__)
    return {
        "letter": letters[best],
        "text": question.choices[best],
        "probabilities": {
            letter: round(float(share), 6) for letter, share in zip(letters, shares, strict=True)
        },
    }


def letter_of(question: Question) -> str:
    """The letter of a question's answer.

    The answer may be a choice as it stands in the data, its text without the marker, text and
    marker, or the letter alone; where it could be two of these, the first named counts.

    Raises:
        CueframeError: It has no answer, its answer is none of its choices, or as `lettered`.
    """
    choices = lettered(question)
    if question.answer is None:
        raise CueframeError(
            f"question {question.id!r} has no answer; give it that of its choices which is right"
        )
    answer = _spaced(question.answer)
    for number, choice in enumerate(question.choices):
        if answer == _spaced(choice):
            return LETTERS[number]
    by_text = {_spaced(text): letter for letter, text in choices}
    if answer in by_text:
        return by_text[answer]
    marked = _MARKED.fullmatch(answer)
    if marked and by_text.get(marked[2]) == marked[1]:
        return marked[1]
    last = choices[-1][0]
    if answer in by_text.values():
        return answer
    raise CueframeError(
        f"question {question.id!r}: the answer {question.answer!r} is none of its choices; want "
        f"one of their texts, or a letter from A to {last}"
    )


def _spaced(text: str) -> str:
    """With one space for each run of blanks, tabs and line ends."""
    return " ".join(text.split())
