"""Letters of a question's choices, whatever markers the data has in front of them."""

import string
from collections.abc import Sequence
from typing import Any

from index.errors import CueframeError
from infer.questions import Question
from infer.texts.choice_markers import marker_alone, split_marker, without_markers

LETTERS = string.ascii_uppercase


def lettered(question: Question) -> list[tuple[str, str]]:
    """Return the letter and the text of each choice, in order from A on.

    The text is that of `infer.texts.choice_markers.without_markers`. Texts may be equal, as
    in 10 of the 2,700 questions of Video-MME; see `right_letters`.

    Raises:
        CueframeError: There are fewer than two choices or more than 26.
    """
    texts = without_markers(question.choices).texts
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
    return list(zip(LETTERS, texts, strict=False))


def chosen(question: Question, shares: Sequence[float], same: float = 0.0) -> dict[str, Any]:
    """Return a reader's answer for a record: the most probable choice.

    A tie between choices of different texts is no answer: it has no letter, and says why. One
    between choices of equal texts, which are right together, is the earlier.

    Args:
        question: A question that `lettered` accepts.
        shares: Probability of each choice.
        same: A share that is less than this part below the highest ties with it.
    """
    choices = lettered(question)
    most = max(shares)
    best = [n for n, share in enumerate(shares) if share >= most * (1 - same)]
    probabilities = {
        letter: round(float(share), 6) for (letter, _), share in zip(choices, shares, strict=True)
    }
    if len({_spaced(choices[n][1]) for n in best}) > 1:
        letters = ", ".join(choices[n][0] for n in best)
        why = f"the reader cannot tell the choices {letters} apart"
        return {"text": "", "undecided": why, "probabilities": probabilities}
    letter = choices[best[0]][0]
    return {
        "letter": letter,
        "text": question.choices[best[0]],
        "probabilities": probabilities,
    }


def letter_of(question: Question) -> str:
    """Return the letter of a question's answer.

    The answer may be a choice as in the data, its text without the marker, marker and text, a text
    in other case ("Blue" for "blue"), a letter or marker alone ("b", "(B)", "B."), or the number of
    a choice, counted from 0; if several of these match, the first in this order counts.

    Raises:
        CueframeError: It has no answer, its answer is none of its choices, or as `lettered`.
    """
    choices = lettered(question)
    if question.answer is None:
        raise CueframeError(
            f"question {question.id!r} has no answer; give it that of its choices which is right"
        )
    place = _place_of(_spaced(question.answer), question.choices, [text for _, text in choices])
    if place is None:
        raise CueframeError(
            f"question {question.id!r}: the answer {question.answer!r} is none of its choices; "
            f"want one of their texts, or a letter from A to {choices[-1][0]}"
        )
    return LETTERS[place]


def right_letters(question: Question) -> str:
    """Return the letters of the answer: more than one where choices have the same text.

    Raises:
        CueframeError: As `letter_of`.
    """
    right = LETTERS.index(letter_of(question))
    texts = [_spaced(text) for _, text in lettered(question)]
    others = [place for place, text in enumerate(texts) if text == texts[right] and place != right]
    return "".join(LETTERS[place] for place in (right, *others))


def _place_of(answer: str, choices: Sequence[str], texts: Sequence[str]) -> int | None:
    """Return the place of the choice that an answer means, or None."""
    for written in ([_spaced(choice) for choice in choices], [_spaced(text) for text in texts]):
        if answer in written:
            return written.index(answer)
    markers = without_markers(choices).markers or list(LETTERS[: len(texts)])
    split = split_marker(answer)
    if split and split.marker in markers:
        place = markers.index(split.marker)
        if split.text.casefold() == _spaced(texts[place]).casefold():
            return place
    folded = [_folded(text) for text in texts]
    if folded.count(_folded(answer)) == 1:
        return folded.index(_folded(answer))
    alone = marker_alone(answer)
    if alone is None:
        return None
    for order in (markers, list(LETTERS[: len(texts)]), [str(n) for n in range(len(texts))]):
        if alone in order:
            return order.index(alone)
    return None


def _folded(text: str) -> str:
    """Return a text without differences of case, blanks and a last full stop."""
    return _spaced(text).casefold().rstrip(". ")


def _spaced(text: str) -> str:
    """Replace each run of blanks, tabs and line ends by one space."""
    return " ".join(text.split())
