"""Letters of a question's choices, whatever markers the data has in front of them."""

import re
import string
from collections.abc import Sequence
from typing import Any

from index.errors import CueframeError
from infer.questions import Question

LETTERS = string.ascii_uppercase

_MARKED = re.compile(r"([A-Z])[.):]\s+(.+)", re.DOTALL)


def lettered(question: Question) -> list[tuple[str, str]]:
    """Return the letter and the text of each choice, in order from A on.

    "A. Red", "A) Red" and "A: Red" become "Red", but only if all choices have their own letters in
    order; else the marker belongs to the text.

    Raises:
        CueframeError: There are fewer than two choices or more than 26, or two are equal.
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
    graded = [_MARKED.fullmatch(text) for text in texts]
    if all(found and found[1] == letter for found, letter in zip(graded, LETTERS, strict=False)):
        texts = [found[2] for found in graded if found]
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
    """Return a reader's answer for a record: the most probable choice, the earlier on a tie.

    Args:
        question: A question that `lettered` accepts.
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
    """Return the letter of a question's answer.

    The answer may be a choice as in the data, its text without the marker, marker and text, or the
    letter alone; if several of these match, the first in this order counts.

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
    graded = _MARKED.fullmatch(answer)
    if graded and by_text.get(graded[2]) == graded[1]:
        return graded[1]
    last = choices[-1][0]
    if answer in by_text.values():
        return answer
    raise CueframeError(
        f"question {question.id!r}: the answer {question.answer!r} is none of its choices; want "
        f"one of their texts, or a letter from A to {last}"
    )


def _spaced(text: str) -> str:
    """Replace each run of blanks, tabs and line ends by one space."""
    return " ".join(text.split())
