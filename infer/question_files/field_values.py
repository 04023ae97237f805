"""Values of fields in the forms that question files give them: choices, answers, times, numbers."""

import functools
import math
import re
from collections.abc import Mapping, Sequence
from itertools import takewhile
from typing import Any, NamedTuple

from infer.record_files.tables import cell_value

Raw = dict[str, Any]

_NUMBERED = re.compile(r"(?:a|option|choice|candidate|opt)?[ _-]?(\d{1,2})", re.IGNORECASE)
_ANSWERS = re.compile(r"answer[ _-]?(\d{1,2})", re.IGNORECASE)
_LETTERED = re.compile(r"([A-Z])|(?:option|choice|candidate|opt)[ _-]?([A-Z])", re.IGNORECASE)
_KEY = re.compile(r"(?:[a-z]*[ _-]?)?(\d{1,2})|(?:[a-z]{2,}[ _-]?)?([a-z])", re.IGNORECASE)
_TEXT_KEYS = ("choice", "text", "option", "content", "value", "answer")
_NUMBER_KEYS = ("choice_id", "id", "index", "idx", "key", "label", "letter")
_CLOCK = re.compile(r"(?:\d+:)?\d{1,3}:\d{1,2}(?:\.\d+)?")


@functools.lru_cache(maxsize=4096)  # the records of a file have the same keys
def plain(key: str) -> str:
    """Return a key as keys are compared: without case, blanks, `_` and `-`."""
    return re.sub(r"[\s_-]", "", key).casefold()


class KeyedChoices(NamedTuple):
    """Choices, and what their file calls each of them."""

    texts: object
    """A list of choices, or what stood there, for the validation."""
    keys: list[set[str]]
    """The keys of each choice, as `plain` makes them: an answer may be one of them."""


def numbered_choices(
    raw: Mapping[str, Any], answer: object, *, answered: bool
) -> tuple[KeyedChoices, list[str]]:
    """Find choices that have a key each: `a0 … a4`, `option 1 …`, `A B C D`.

    Args:
        raw: A record, without the fields that were found in it.
        answer: Its answer: a last choice "N/A" that is not it only fills a column.
        answered: Whether it has an answer besides: else `answer1` may be one, and single digits
            and lower letters may be anything.

    Returns:
        The choices in order, and their keys in the record; none if there are fewer than two.
    """
    empty = (None, "") if answer == "N/A" else (None, "", "N/A")
    for pattern, first in ((_NUMBERED, "0"), (_NUMBERED, "1"), (_ANSWERS, "1"), (_LETTERED, "A")):
        if pattern is _ANSWERS and not answered:
            continue
        found = {}
        for key in raw:
            match = pattern.fullmatch(key)
            if match and (answered or key.isupper() or len(key) > 1):
                found[next(filter(None, match.groups())).upper()] = key
        order = _in_order(found, first)
        while order and raw.get(order[-1]) in empty:
            order.pop()
        if len(order) >= 2:
            texts = [as_text(raw.get(key, "")) for key in order]
            return KeyedChoices(texts, [_names_of(key) for key in order]), order
    return KeyedChoices([], []), []


def _in_order(found: Mapping[str, str], first: str) -> list[str]:
    """Return the keys from the first on; one that is missing in between stands as its name."""
    names = [chr(n) for n in range(ord("A"), ord("Z") + 1)]
    if first.isdigit():
        names = [str(n) for n in range(int(first), 100)]
    order = list(takewhile(found.__contains__, names))
    missing, after = names[len(order) : len(order) + 1], names[len(order) + 1 :]
    if order and found.keys() & set(after[:1]):
        # An empty cell in between is a blank choice; the choices after it are not fewer for it.
        order += [*missing, *takewhile(found.__contains__, after)]
    return [found.get(name, f"no {name}") for name in order]


def choices_of(value: object) -> KeyedChoices:
    """Return choices given as a list, an object, a list of objects, or a text of several lines."""
    if isinstance(value, str):
        value = _list_in_text(value)
    if isinstance(value, dict):
        return _choices_of_object(value)
    if isinstance(value, list) and value and all(isinstance(one, dict) for one in value):
        return _choices_of_objects(value)
    return KeyedChoices(value, [])


def _list_in_text(text: str) -> object:
    if text.strip().startswith("["):
        return cell_value(text)
    lines = [line for line in text.strip().splitlines() if line.strip()]
    return lines if len(lines) > 1 else text


def _choices_of_object(value: Raw) -> KeyedChoices:
    if not value or not all(_KEY.fullmatch(str(key)) for key in value):
        return KeyedChoices(value, [])
    order = sorted(value, key=lambda key: (len(str(key)), str(key).upper()))
    order = [key for key in order if value[key] is not None]
    return KeyedChoices([value[key] for key in order], [_names_of(str(key)) for key in order])


def _choices_of_objects(value: list[Raw]) -> KeyedChoices:
    texts = next((key for key in _TEXT_KEYS if all(key in one for one in value)), None)
    if texts is None:
        return KeyedChoices(value, [])
    number = next((k for k in _NUMBER_KEYS if k != texts and all(k in one for one in value)), None)
    if number is None:
        return KeyedChoices([one[texts] for one in value], [])
    if len({type(one[number]) for one in value}) == 1 and isinstance(value[0][number], int | str):
        value = sorted(value, key=lambda one: one[number])
    keys = [_names_of(str(one[number])) for one in value]
    return KeyedChoices([one[texts] for one in value], keys)


def _names_of(key: str) -> set[str]:
    found = _KEY.fullmatch(key)
    short = next(filter(None, found.groups()), key) if found else key
    return {plain(key), plain(short)}


def answer_of(answer: object, index: object, choices: KeyedChoices) -> object:
    """Return the answer as one of the choices where it is a key or the number of one.

    Args:
        answer: The answer as it is given, or None.
        index: Number of the right choice, from 0, or None.
        choices: The choices.
    """
    texts = choices.texts if isinstance(choices.texts, list) else []
    if isinstance(answer, bool):
        answer = str(answer)
    if isinstance(answer, int | float) and (number := number_of(answer)) is not None:
        answer = str(int(number)) if number.is_integer() else answer
    if isinstance(answer, str) and answer not in texts:
        for text, keys in zip(texts, choices.keys, strict=False):
            if plain(answer) in keys:
                return text
    if index is not None and (answer is None or answer not in texts):
        return choice_at(index, texts)
    return answer


def choice_at(index: object, choices: Sequence[object]) -> object:
    """Return the choice with a number, counted from 0; the number itself where there is none."""
    number = number_of(index)
    if number is None or not number.is_integer():
        return index
    place = int(number)
    return choices[place] if 0 <= place < len(choices) else str(place)


def number_of(value: object) -> float | None:
    """Return a finite number, or the one that a text is; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def seconds_of(value: object) -> object:
    """Return times with clocks (`1:02:03.5`) as seconds, and `{"start", "end"}` as a pair."""
    if isinstance(value, str) and _CLOCK.fullmatch(value.strip()):
        return clock_s(value)
    if isinstance(value, dict) and {"start", "end"} <= value.keys():
        return [seconds_of(value["start"]), seconds_of(value["end"])]
    if isinstance(value, list) and len(value) < 10_000:
        return [seconds_of(one) for one in value]
    return value


def clock_s(value: object) -> float:
    """Return seconds from a number, or from a text such as `1:02:03.5` or `2:03`.

    Raises:
        ValueError: It is neither.
    """
    seconds = 0.0
    for part in str(value).split(":"):
        seconds = 60 * seconds + float(part)
    return seconds


def as_text(value: object) -> object:
    """Return a choice of a table as a text: pandas makes numbers of those that look like one."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
