"""A check of keys that look like the name of a field and are not read: what to do about each."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from index.errors import CueframeError
from infer.choices import letter_of
from infer.diagnosis.findings import MOST_EXAMPLES, Finding, some
from infer.question_files.field_names import has_field, rename_fields
from infer.question_files.field_values import number_of, plain
from infer.question_files.loading import Notices
from infer.questions import Question

_LOOKED_AT = 50
"""Records by which it is told what to do about a key."""
_PAIRS = (("start", "end"), ("starttime", "endtime"))
"""Keys that make a range together, as `infer.question_files.field_values.plain` has them."""
_RANGES = "support_ranges"


def unread_keys(questions: Sequence[Question], notices: Notices) -> Iterator[Finding]:
    """Keys that look like the name of a field and are not read."""
    if not notices.unread:
        return
    found = sorted(notices.unread.items(), key=lambda item: -item[1])
    keys = {key for (key, _), _ in found}
    records: dict[str, list[Question]] = {key: [] for key in keys}
    ids = []
    for question in questions:
        there = keys & (question.model_extra or {}).keys()
        if there:
            ids.append(question.id)
        for key in there:
            if len(records[key]) < _LOOKED_AT:
                records[key].append(question)
    advice = (_advice(key, field, records[key]) for (key, field), _ in found[:MOST_EXAMPLES])
    yield Finding(
        "unread_keys",
        "note",
        f"{some(len(notices.unread), 'key')} that may be meant for a field, and not read",
        {key: {"meant_for": field, "records": n} for (key, field), n in notices.unread.items()},
        tuple(
            f"{key} ({some(count, 'record')}): {field} is read"
            for (key, field), count in found[:MOST_EXAMPLES]
        ),
        tuple(dict.fromkeys(advice)),
        ids,
    )


def _advice(key: str, field: str, records: Sequence[Question]) -> str:
    """Say what to do about a key of some records; none: it was read, and says something else."""
    if not records or any(_has(record, field) for record in records):
        return f"take {key} out, or correct {field}, which is there as well"
    if all(_fits(record, key, field) for record in records):
        return f"rename {key} to {field} if that is what it is, else take it out"
    pairs = [_pair(record, key) for record in records] if field == _RANGES else [()]
    if all(pairs):
        start, end = pairs[0]
        return (
            f"write {start} and {end} as {_RANGES} [[{start}, {end}]], in seconds, if that is what "
            "they are, else take them out"
        )
    wanted = Question.model_fields[field].description
    return f"write what {key} says as {field}, {wanted}, if that is what it is, else take it out"


def _has(record: Question, field: str) -> bool:
    return bool(getattr(record, field, None)) or has_field(record.model_extra or (), field)


def _fits(record: Question, key: str, field: str) -> bool:
    """Return whether a record is valid, and has the field, once a key is renamed to it."""
    raw = record.model_dump(exclude_unset=True)
    renamed = {field if name == key else name: value for name, value in raw.items()}
    try:
        changed = Question.model_validate(rename_fields(renamed).fields)
        if field == "answer" and changed.choices:
            letter_of(changed)
    except (ValueError, CueframeError):
        return False
    return bool(getattr(changed, field))


def _pair(record: Question, key: str) -> tuple[str, ...]:
    """Return the keys of a start and an end, one of which is the key; none: there is no pair."""
    extra: Mapping[str, Any] = record.model_extra or {}
    names = {plain(name): name for name in extra}
    for pair in _PAIRS:
        if plain(key) in pair and all(name in names for name in pair):
            start, end = (number_of(extra[names[name]]) for name in pair)
            if start is not None and end is not None and 0 <= start <= end:
                return tuple(names[name] for name in pair)
    return ()
