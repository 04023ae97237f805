"""The fields of a question under the names that question files give them.

Names are compared without case, blanks, `_` and `-`. What a record has under another name is
renamed; numbered choices (`a0 … a4`, `option 0 …`, `A B C D`) become a list, and so do choices in
an object or in a list of objects; an answer given as a number of a choice becomes that choice.
"""

import functools
import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from itertools import takewhile
from typing import Any, NamedTuple

Raw = dict[str, Any]

NAMES: dict[str, tuple[str, ...]] = {
    "id": ("question_id", "video_qid", "qid", "q_uid", "quid", "uid", "question_idx"),
    "question": ("q", "query", "question_text"),
    "choices": ("options", "candidates", "answer_choices", "answer_options", "option"),
    "video_path": (
        *("video", "video_name", "video_file", "vid_name", "vid", "video_id", "video_uid"),
        "video_idx",
    ),
    "answer": ("correct_answer", "correct_option", "answer_key", "answer_text"),
    "answer_index": ("answer_idx", "correct_choice", "correct_idx", "correct_index"),
    "support_frames": (),
    "support_ranges": ("relevant_windows",),
    "scenes": (),
    "span_s": ("span",),
    "duration_s": ("duration", "video_duration"),
    "events": (),
    "paraphrases": (),
    "negative_frames": (),
    "video_aliases": (),
}
"""Other names of each field, the first that is there counts. `answer_index` becomes `answer`."""

_NUMBERED = re.compile(r"(?:a|option|choice|candidate|answer|opt)?[ _-]?(\d{1,2})", re.IGNORECASE)
_LETTERED = re.compile(r"(?:(?:option|choice|candidate|opt)[ _-]?)?([A-Za-z])")
_TEXT_KEYS = ("choice", "text", "option", "content", "value", "answer")
_NUMBER_KEYS = ("choice_id", "id", "index", "idx", "key", "label", "letter")
_LISTS_OF_SECONDS = ("support_frames", "negative_frames")


@functools.lru_cache(maxsize=4096)  # the records of a file have the same keys
def _plain(key: str) -> str:
    return re.sub(r"[\s_-]", "", key).casefold()


_FIELD_OF = {_plain(name): field for field, names in NAMES.items() for name in (field, *names)}
_RANK = {_plain(name): n for names in NAMES.values() for n, name in enumerate(names, 1)}
_FIELD_OF_STEM = {
    _plain(field): field
    for field in ("choices", "support_frames", "support_ranges", "video_path", "answer_index")
}


class Fields(NamedTuple):
    """A record with its fields under our names."""

    fields: Raw
    """Our fields, and all other keys as they are."""
    unread: dict[str, str]
    """Keys that look like the name of a field and are not read, with the field."""


def is_field_name(key: str) -> bool:
    """Return whether a key names a field of a question, under any of its names."""
    return _plain(key) in _FIELD_OF


def rename_fields(raw: Mapping[str, Any]) -> Fields:
    """Give a record's fields our names; values that do not fit are left for the validation."""
    found: Raw = {}
    chosen: dict[str, str] = {}  # field: key
    for key in sorted(raw, key=lambda key: (key not in NAMES, _RANK.get(_plain(key), 0))):
        field = _FIELD_OF.get(_plain(key))
        if field == "duration_s" and _plain(key) != "durations" and _number(raw[key]) is None:
            continue  # Video-MME's "short"
        if field and field not in chosen:
            chosen[field] = key
            found[field] = raw[key]
    extra = {key: value for key, value in raw.items() if key not in chosen.values()}
    if "choices" not in found and (numbered := _numbered_choices(extra)):
        found["choices"] = list(numbered.values())
        extra = {key: value for key, value in extra.items() if key not in numbered}
    _convert(found)
    unread = {key: field for key in extra if (field := _looks_like(key))}
    if unread.get("duration") and isinstance(extra["duration"], str):
        del unread["duration"]
    return Fields({**extra, **found}, unread)


def nearest_name(field: str, keys: Iterable[str]) -> str:
    """Return what a record has instead of a field that is missing, for its error."""
    there = [key for key in keys if not is_field_name(key)]
    names = {_plain(key): key for key in there}
    for name in (field, *NAMES[field]):
        near = get_close_matches(_plain(name), names, n=1, cutoff=0.6)
        if near:
            return f"the nearest name that is there is {names[near[0]]!r}"
    shown = ", ".join(map(repr, there[:8])) + (" …" if len(there) > 8 else "")
    return f"other keys that are there: {shown}" if there else "no other key is there"


@functools.lru_cache(maxsize=4096)
def _looks_like(key: str) -> str | None:
    """Return the field that a key might be meant for, or None."""
    plain = _plain(key)
    if key.startswith("_") or not plain:
        return None
    if plain in _FIELD_OF:  # the record has the field under another name as well
        return _FIELD_OF[plain]
    for stem, field in _FIELD_OF_STEM.items():
        if plain.startswith(stem):
            return field
    near = get_close_matches(plain, map(_plain, NAMES), n=1, cutoff=0.82)
    return _FIELD_OF[near[0]] if near else None


def _numbered_choices(extra: Mapping[str, Any]) -> Raw:
    """Return the choices that have a key each, by key in order; none if they are not complete."""
    for pattern, first in ((_NUMBERED, "0"), (_NUMBERED, "1"), (_LETTERED, "A")):
        keys = {m[1].upper(): key for key in extra if (m := pattern.fullmatch(key))}
        names = (str(int(first) + n) if first.isdigit() else chr(ord(first) + n) for n in range(26))
        order = [keys[name] for name in takewhile(keys.__contains__, names)]
        while order and extra[order[-1]] in (None, "", "N/A"):  # a set's rows have as many columns
            order.pop()
        if len(order) >= 2:
            return {key: extra[key] for key in order}
    return {}


def _convert(found: Raw) -> None:
    """Bring values to the form of our fields, where they have another usual one."""
    if "choices" in found:
        found["choices"] = _list_of_choices(found["choices"])
    if (number := _number(found.get("duration_s"))) is not None:
        found["duration_s"] = number
    for field in _LISTS_OF_SECONDS:  # a cell of a table
        if isinstance(found.get(field), str) and (number := _number(found[field])) is not None:
            found[field] = [number]
    answer = found.get("answer")
    if type(answer) is int or (isinstance(answer, float) and answer.is_integer()):
        found["answer"] = str(int(answer))
    index = found.pop("answer_index", None)
    if index is not None and found.get("answer") is None:
        found["answer"] = choice_at(index, found.get("choices"))


def choice_at(index: object, choices: object) -> object:
    """Return the choice with a number, counted from 0; the number itself where there is none."""
    number = _number(index)
    if number is None or not number.is_integer():
        return index
    place = int(number)
    if isinstance(choices, list) and 0 <= place < len(choices):
        return choices[place]
    return str(place)


def _list_of_choices(choices: object) -> object:
    if isinstance(choices, dict) and choices:
        keys = [str(key) for key in choices]
        short = all(re.fullmatch(r"[A-Za-z]|\d{1,2}|[A-Za-z]+[ _-]?\d{1,2}", key) for key in keys)
        if short:
            order = sorted(choices, key=lambda key: (len(str(key)), str(key).upper()))
            return [choices[key] for key in order]
    if isinstance(choices, list) and choices and all(isinstance(one, dict) for one in choices):
        return _choices_of_objects(choices)
    if isinstance(choices, str) and len(lines := choices.strip().splitlines()) > 1:
        return [line for line in lines if line.strip()]
    return choices


def _choices_of_objects(choices: list[Raw]) -> object:
    texts = next((key for key in _TEXT_KEYS if all(key in one for one in choices)), None)
    if texts is None:
        return choices
    numbers = next((key for key in _NUMBER_KEYS if all(key in one for one in choices)), None)
    if numbers is not None and numbers != texts:
        order = [one[numbers] for one in choices]
        if len({type(number) for number in order}) == 1 and isinstance(order[0], int | str):
            choices = sorted(choices, key=lambda one: one[numbers])
    return [one[texts] for one in choices]


def _number(value: object) -> float | None:
    """Return a number, or the number that a text is; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return float(value)
    except (ValueError, OverflowError):
        return None
