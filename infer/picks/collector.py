"""Collect picks record by record: a bad record costs its own question and no other."""

import sys
from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeGuard

import numpy as np

from index.arrays import Floats
from infer.questions import Question
from infer.records import short


class Picks(NamedTuple):
    """The picks of a file, for the questions that it has."""

    times_s: dict[str, Floats]
    """Ascending seconds (P,) of the picks, P ≥ 1, by the question's id."""
    problems: list[str]
    """What is wrong with records that cannot be scored, one line each."""
    lost: set[str]
    """Ids of the questions that have such a record."""
    notes: list[str]
    """What was assumed, one line each."""
    unasked: int
    """Number of records for which there is no question."""


class Collector:
    """Takes the records of a file as a reader finds them."""

    def __init__(self, name: str, questions: Sequence[Question | None], fps: float | None) -> None:
        self.name = name
        """Name of the file in errors."""
        self.in_order = questions
        """The records of the questions' file; None where one cannot be used."""
        self.questions = [question for question in questions if question]
        self.by_id = {question.id: question for question in self.questions}
        self.fps = fps
        """Value of --picks-fps, for picks that are frame numbers."""
        self._found: dict[str, Floats] = {}
        self._problems: list[str] = []
        self._lost: set[str] = set()
        self._notes: list[str] = []
        self._unasked = 0

    def add(self, question: Question, numbers: object, what: str, fps: float = 1.0) -> None:
        """Take a question's picks: seconds, or frame numbers at a rate of fps."""
        if question.id in self._found:
            self.problem(question, "has picks twice; the first ones are scored")
        elif wrong := wrong_numbers(numbers, what):
            self.problem(question, wrong)
        else:
            self._found[question.id] = np.sort(np.array(numbers, np.float64)) / fps

    def unasked(self) -> None:
        """Count a record for which there is no question."""
        self._unasked += 1

    def problem(self, question: Question, what: str) -> None:
        """Note what is wrong with a question's picks."""
        self._problems.append(f"question {short(question.id)} {what}")
        self._lost.add(question.id)

    def bad_record(self, place: str, record: object, wanted: str) -> None:
        """Note a record that means no question."""
        self._problems.append(f"{place} is {short(record)}; want {wanted}")

    def note(self, line: str) -> None:
        """Note what was assumed."""
        self._notes.append(line)

    def picks(self) -> Picks:
        """Return all that was taken."""
        return Picks(self._found, self._problems, self._lost, self._notes, self._unasked)


def wrong_numbers(numbers: object, what: str) -> str | None:
    """Return what is wrong with a list of picks, or None; `what` is its key in the record."""
    if not isinstance(numbers, list) or not numbers:
        return f"has {what} {short(numbers)}; want a list of numbers, at least one"
    for number in numbers:
        if not is_number(number) or number < 0:
            return f"has {short(number)} in {what}; want finite numbers from 0 up"
    return None


def is_number(value: object) -> TypeGuard[float]:
    """Return whether a value read from JSON is a finite number that a float can hold."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return abs(value) <= sys.float_info.max  # false for NaN, too


def id_of(record: Mapping[str, object], *keys: str) -> str | None:
    """Return a record's id under the first of the keys that has one: a text, or an integer."""
    for key in keys:
        value = record.get(key)
        if type(value) is int or isinstance(value, str):
            return str(value)
    return None
