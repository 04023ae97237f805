"""Records that stand inside others: a video with its questions, rows in a wrapper, columns."""

from collections.abc import Iterable, Iterator
from typing import Any

from infer.question_files.field_names import has_field, is_field_name
from infer.record_files.raw_records import RawRecord

Raw = dict[str, Any]

_WRAPPERS = ("row", "data", "fields")
"""Keys under which servers and annotation tools put the record itself."""


def flat(raws: Iterable[RawRecord]) -> Iterator[RawRecord]:
    """Yield records one question each, with what their outer record says of all of them.

    Known are `{"row": {…}}`, a video with a list of its questions, and an object of columns, which
    pandas writes.
    """
    for raw in raws:
        value = raw.value
        if not isinstance(value, dict):
            yield raw
            continue
        inner = [value[key] for key in _WRAPPERS if isinstance(value.get(key), dict)]
        if len(inner) == 1 and not any(map(is_field_name, value.keys() - set(_WRAPPERS) - {"id"})):
            value = {**({"id": value["id"]} if "id" in value else {}), **inner[0]}
        rows = _columns(value) or _questions(value)
        if not rows:
            yield raw._replace(value=value)
        for number, row in enumerate(rows, 1):
            yield RawRecord(f"{raw.place}, {number}", row)


def _columns(value: Raw) -> list[Raw]:
    """Return the rows of an object of columns: all lists, or all objects by row."""
    columns = [one for key, one in value.items() if is_field_name(key)]
    if len(columns) < 2 or not isinstance(columns[0], list | dict):
        return []
    if not all(type(one) is type(columns[0]) and len(one) == len(columns[0]) for one in columns):
        return []
    question = next((one for key, one in value.items() if has_field([key], "question")), None)
    if isinstance(question, list) and all(isinstance(one, str) for one in question):
        places: list[Any] = list(range(len(question)))
    elif isinstance(question, dict):
        places = list(question)
    else:
        return []
    return [{k: v[place] for k, v in value.items() if _has(v, place)} for place in places]


def _has(column: object, place: Any) -> bool:
    if isinstance(column, dict):
        return place in column
    return isinstance(column, list) and isinstance(place, int) and place < len(column)


def _questions(value: Raw) -> list[Raw]:
    """Return the questions of a record that has no question and one list of them."""
    if has_field(value, "question"):
        return []
    lists = [
        key
        for key, one in value.items()
        if isinstance(one, list)
        and one
        and all(isinstance(row, dict) and has_field(row, "question") for row in one)
    ]
    if len(lists) != 1:
        return []
    outer = {key: one for key, one in value.items() if key != lists[0]}
    ids = all(has_field(row, "id") for row in value[lists[0]])
    if ids:
        outer.pop("id", None)
    name = outer.get("id", outer.get("video_id", outer.get("video", outer.get("key"))))
    return [
        {**outer, **({} if ids else {"id": f"{name}-{number}"}), **row}
        for number, row in enumerate(value[lists[0]], 1)
    ]
