"""A reader's answers against the right ones: does the letter fit, is it right, do frames show why.

Grounded is by the frames that the reader saw: the picks, uniform ones, or those at the labels'
`infer.metrics.true_times`, which hit nearly always and whose window may yet be wider than a range.
Of all frames nothing is said.

Legend: N questions, K picks.
"""

from collections.abc import Mapping, Sequence
from math import isnan
from typing import NamedTuple

import numpy as np

from index.errors import CueframeError
from infer.answers import Answer, Chosen, ReaderFrames
from infer.baselines import FIGURES
from infer.choices import letter_of, lettered
from infer.metrics import Floats, Timed, true_times
from infer.questions import Question

GROUNDED_IOP = 0.5
"""The least IoP of a grounded answer in NExT-GQA."""
_SUM_SLACK = 0.01
"""Rounded probabilities of 26 choices sum to one within this."""
_NAN = float("nan")


class Mark(NamedTuple):
    """One answer's figures; NaN is not known."""

    accuracy: float
    """1 where the letter is right, else 0."""
    grounded: float
    """1 where moreover a frame that the reader saw is inside the evidence, else 0."""
    acc_gqa: float
    """1 where moreover the window of those frames has an IoP of `GROUNDED_IOP` or more, else 0."""
    confidence: float
    """The letter's probability, which is the highest."""


class Marked(NamedTuple):
    """A question with its reader's answers."""

    timed: Timed
    right: str
    """The right letter."""
    choices: int
    marks: dict[ReaderFrames, Mark]
    """By the frames that the reader saw; one at least."""


class Marks(NamedTuple):
    """Questions with their readers' answers."""

    marked: list[Marked]
    unlabelled: int
    """Questions without a right answer."""
    unanswered: int
    """Questions that have one, and no letter for an answer."""


def frames_seen(
    timed: Sequence[Timed], picked: Sequence[Floats], uniform: Sequence[Floats]
) -> list[dict[ReaderFrames, Floats]]:
    """For each question the ascending seconds of the frames by which `Answer.by_frames` goes."""
    return [
        {"picked": own, "uniform": even, "support": np.array(true_times(one.question))}
        for one, own, even in zip(timed, picked, uniform, strict=True)
    ]


def mark(
    timed: Sequence[Timed],
    answers: Sequence[Answer],
    seen: Sequence[Mapping[ReaderFrames, Floats]],
    k: int,
) -> Marks:
    """Mark answers (N,) with a letter.

    Args:
        timed: The N questions.
        answers: Theirs.
        seen: From `frames_seen`.
        k: K picks of a question.

    Raises:
        CueframeError: A letter is no choice of its question, probabilities are not those of its
            choices, or as `infer.choices.letter_of`.
    """
    marked, unlabelled, unanswered = [], 0, 0
    for one, answer, times_s in zip(timed, answers, seen, strict=True):
        said = {shown: by for shown, by in answer.by_frames.items() if by.letter}
        for by in said.values():
            _check(by, one.question)
        if one.question.answer is None:
            unlabelled += 1
        elif not said:
            unanswered += 1
        else:
            right = letter_of(one.question)
            marks = {
                shown: _mark(one, by, by.letter == right, times_s.get(shown), k)
                for shown, by in said.items()
            }
            marked.append(Marked(one, right, len(one.question.choices), marks))
    return Marks(marked, unlabelled, unanswered)


def _check(said: Chosen, question: Question) -> None:
    """Refuse a letter or probabilities that do not fit the question."""
    letters = [letter for letter, _ in lettered(question)]
    where = f"answer {question.id!r}: the letter {said.letter!r}"
    if said.letter not in letters:
        raise CueframeError(
            f"{where} is no choice of its question, which has A to {letters[-1]}; score answers "
            "to these very questions"
        )
    if said.probabilities is None:
        return
    if sorted(said.probabilities) != letters:
        raise CueframeError(
            f"{where} has probabilities of {', '.join(said.probabilities) or 'no letter'}; want "
            f"one for each letter from A to {letters[-1]}"
        )
    total = sum(said.probabilities.values())
    if abs(total - 1) > _SUM_SLACK:
        raise CueframeError(f"{where} has probabilities whose sum is {total:.4g}; want shares of 1")
    best = max(said.probabilities, key=said.probabilities.__getitem__)
    if said.probabilities[best] > said.probabilities[said.letter]:
        raise CueframeError(
            f"{where} has the probability {said.probabilities[said.letter]:.4g}, and {best!r} has "
            f"{said.probabilities[best]:.4g}; want the likeliest letter for an answer"
        )


def _mark(one: Timed, said: Chosen, right: bool, times_s: Floats | None, k: int) -> Mark:
    """One answer's figures; times None where nothing can be said of its frames."""
    hit = iop = _NAN
    if times_s is not None:
        hit, iop = (FIGURES[name].value(one, times_s, k) for name in ("hit", "IoP"))
    return Mark(
        accuracy=float(right),
        grounded=_NAN if isnan(hit) else float(right and hit > 0),
        acc_gqa=_NAN if isnan(iop) else float(right and iop >= GROUNDED_IOP),
        confidence=max(said.probabilities.values()) if said.probabilities else _NAN,
    )
