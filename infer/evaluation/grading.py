"""Grade a reader's answers: is the letter valid, is it right, do the frames show why.

Grounding is graded on the frames that the reader saw: the picks, uniform ones, or those at the
labels' `infer.metrics.true_times_asked`, which nearly always hit, but whose window may still be
wider than a range. If the reader saw all frames, grounding is not graded.

Legend: N questions, K picks.
"""

from collections.abc import Mapping, Sequence
from math import isnan
from typing import NamedTuple

import numpy as np

from index.arrays import Floats
from index.errors import CueframeError
from infer.answer_file import Answer, Chosen, ReaderFrames
from infer.choices import lettered, right_letters
from infer.evaluation.baselines import FIGURES
from infer.evaluation.score_table import each_k
from infer.metrics import TimedQuestion, picked_spans, true_times_asked
from infer.questions import Question

GROUNDED_IOP = 0.5
"""Least IoP of a grounded answer in NExT-GQA."""
_SUM_TOLERANCE = 0.01
"""Tolerance of the sum of up to 26 rounded probabilities."""
_NAN = float("nan")


class Grade(NamedTuple):
    """Figures of one answer; NaN where unknown."""

    accuracy: float
    """1 if the letter is right, else 0."""
    grounded: float
    """1 if it is right and a frame that the reader saw is inside the evidence, else 0."""
    acc_gqa: float
    """1 if it is right and those frames' window has an IoP of `GROUNDED_IOP` or more, else 0."""
    confidence: float
    """Probability of the letter, which is the highest."""


class GradedQuestion(NamedTuple):
    """A question with the grades of its reader's answers."""

    timed: TimedQuestion
    right: str
    """The right letter, and those of other choices with the same text."""
    choices: int
    grades: dict[ReaderFrames, Grade]
    """Grades by the frames that the reader saw, at least one."""


class GradedAnswers(NamedTuple):
    """The graded questions, and the numbers of those left out."""

    graded: list[GradedQuestion]
    unlabelled: int
    """Number of questions without a right answer."""
    unanswered: int
    """Number of questions with a right answer that no reader decided on."""
    wrong: list[str]
    """Why questions cannot be graded: a right answer or a letter that is none of the choices."""


def frames_seen(
    timed: Sequence[TimedQuestion], picked: Sequence[Floats], uniform: Sequence[Floats]
) -> list[dict[ReaderFrames, Floats]]:
    """Return each question's ascending frame times in seconds by the keys of `Answer.by_frames`.

    "all" is left out: there, grounding is not graded.
    """
    return [
        {"picked": own, "uniform": even, "support": np.array(true_times_asked(one.question))}
        for one, own, even in zip(timed, picked, uniform, strict=True)
    ]


def grade(
    timed: Sequence[TimedQuestion],
    answers: Sequence[Answer],
    seen: Sequence[Mapping[ReaderFrames, Floats]],
    k: int | Sequence[int],
) -> GradedAnswers:
    """Grade the answers (N,) that have a letter, or none because of a tie, which is not right.

    Args:
        timed: The N questions.
        answers: The answer of each question.
        seen: From `frames_seen`.
        k: K picks, of all questions or (N,) of each.

    A letter that is no choice of its question, probabilities that are not those of its choices, and
    a right answer that is none of them (`infer.choices.right_letters`) cost their question alone.
    """
    graded, unlabelled, unanswered, wrong = [], 0, 0, []
    ks = each_k(k, len(timed))
    for one, answer, times_s, own_k in zip(timed, answers, seen, ks, strict=True):
        given = answer.by_frames.items()
        said = {shown: by for shown, by in given if by.letter or by.undecided}
        try:
            for by in said.values():
                if by.letter:
                    _check(by, one.question)
            known = one.question.answer is not None and said
            right = right_letters(one.question) if known else ""
        except CueframeError as error:
            wrong.append(str(error))
            continue
        if one.question.answer is None:
            unlabelled += 1
        elif not said:
            unanswered += 1
        else:
            grades = {
                shown: _grade(one, by, right, times_s.get(shown), own_k)
                for shown, by in said.items()
            }
            graded.append(GradedQuestion(one, right, len(one.question.choices), grades))
    return GradedAnswers(graded, unlabelled, unanswered, wrong)


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
    if abs(total - 1) > _SUM_TOLERANCE:
        raise CueframeError(f"{where} has probabilities whose sum is {total:.4g}; want shares of 1")
    best = max(said.probabilities, key=said.probabilities.__getitem__)
    if said.probabilities[best] > said.probabilities[said.letter]:
        raise CueframeError(
            f"{where} has the probability {said.probabilities[said.letter]:.4g}, and {best!r} has "
            f"{said.probabilities[best]:.4g}; want the likeliest letter for an answer"
        )


def _grade(one: TimedQuestion, said: Chosen, letters: str, times_s: Floats | None, k: int) -> Grade:
    """Return one answer's figures; `times_s` is None if its frames are not graded."""
    right = said.letter is not None and said.letter in letters
    hit = iop = _NAN
    if times_s is not None:
        spans = picked_spans(one, times_s)
        hit, iop = (FIGURES[name].value(one, spans, k) for name in ("hit", "IoP"))
    return Grade(
        accuracy=float(right),
        grounded=_NAN if isnan(hit) else float(right and hit > 0),
        acc_gqa=_NAN if isnan(iop) else float(right and iop >= GROUNDED_IOP),
        confidence=max(said.probabilities.values()) if said.probabilities else _NAN,
    )
