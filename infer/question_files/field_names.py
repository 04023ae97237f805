"""The fields of a question under the names that question files give them.

Names are compared without case, blanks, `_` and `-`. What a record has under another name is
renamed; numbered choices (`a0 … a4`, `option 0 …`, `A B C D`) become a list, and so do choices in
an object or in a list of objects; an answer given as a number of a choice becomes that choice.
"""

import functools
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any, NamedTuple

from infer.question_files.field_values import (
    KeyedChoices,
    answer_of,
    choice_at,
    choices_of,
    number_of,
    numbered_choices,
    plain,
    seconds_of,
)

Raw = dict[str, Any]

NAMES: dict[str, tuple[str, ...]] = {
    "id": (
        *("question_id", "video_qid", "qid", "q_uid", "quid", "uid", "question_idx", "idx"),
        *("index", "key", "uuid", "sample_id", "annotation_id", "item_id", "Unnamed: 0"),
    ),
    "question": ("q", "query", "question_text"),
    "choices": (
        *("options", "candidates", "answer_choices", "answer_options", "option", "mc_options"),
        *("multi_choice", "multiple_choice", "candidate_answers", "possible_answers", "opts"),
    ),
    "video_path": (
        *("video", "video_name", "video_file", "vid_name", "vid", "video_id", "video_uid"),
        *("video_idx", "vid_id", "vid_path", "video_filename", "gif_name", "file_name", "clip_uid"),
        *("youtube_id", "clip_id", "path"),
    ),
    "answer": (
        *("correct_answer", "correct_option", "answer_key", "answer_text", "correct", "gt"),
        *("ground_truth", "gt_answer", "right_answer", "correct_letter", "answer_letter", "ans"),
    ),
    "answer_index": (
        *("answer_idx", "correct_choice", "correct_idx", "correct_index", "correct_answer_idx"),
        *("correct_answer_index", "correct_choice_idx", "label_idx"),
    ),
    "support_frames": (),
    "support_ranges": ("relevant_windows",),
    "scenes": (),
    "span_s": (),
    "duration_s": ("duration", "video_duration", "video_length", "video_len"),
    "events": (),
    "paraphrases": (),
    "negative_frames": (),
    "video_aliases": (),
}
"""Other names of each field, the first that is there counts. `answer_index` becomes `answer`."""

_MEANT = {
    "answer": "label target truth response gold solution answer_number correct_answer_label",
    "choices": "mc alternatives distractors answer_list options_en",
    "support_ranges": "timestamp timestamps time_stamp time_reference clue_intervals moment "
    "moments gt_windows temporal_grounding evidence relevant_timestamps support ranges windows "
    "intervals segment segments span start end start_time end_time",
    "support_frames": "times support_times frame_times gt_frames position",
    "video_path": "video_url url",
    "duration_s": "length",
}
"""Names that may be meant for a field, and too many other things, to be read for it."""

_NULL_IS_WRONG = ("choices", "support_frames")
"""Fields in which null is an error; in all others it means that nothing is given."""
_SECONDS = ("support_frames", "support_ranges", "scenes", "span_s", "negative_frames")


_FIELD_OF = {plain(name): field for field, names in NAMES.items() for name in (field, *names)}
_RANK = {plain(name): n for names in NAMES.values() for n, name in enumerate(names, 1)}
_MEANT_FOR = {plain(name): field for field, names in _MEANT.items() for name in names.split()}
_FIELD_OF_STEM = {
    plain(field): field
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
    return plain(key) in _FIELD_OF


def has_field(record: Iterable[str], field: str) -> bool:
    """Return whether a record has a field under any of its names."""
    return any(_FIELD_OF.get(plain(key)) == field for key in record)


def rename_fields(raw: Mapping[str, Any]) -> Fields:
    """Give a record's fields our names; values that do not fit are left for the validation."""
    found: Raw = {}
    chosen: dict[str, str] = {}  # field: key
    for key in sorted(raw, key=lambda key: (key not in NAMES, _RANK.get(plain(key), 0))):
        field, value = _FIELD_OF.get(plain(key)), raw[key]
        if isinstance(value, float) and value != value:  # pandas writes NaN where nothing is
            continue
        if field == "duration_s" and plain(key) != "durations" and not (number_of(value) or 0) > 0:
            continue  # Video-MME's "short"
        if field and (field not in found or (not found[field] and value)):
            chosen[field] = key
            found[field] = value
    extra = {key: value for key, value in raw.items() if key not in chosen.values()}
    answered = "answer" in found or "answer_index" in found
    keyed = choices_of(found.get("choices"))
    if not found.get("choices"):
        numbered, keys = numbered_choices(extra, found.get("answer"), answered=answered)
        if keys:
            keyed, found["choices"] = numbered, numbered.texts
            extra = {key: value for key, value in extra.items() if key not in keys}
    index = found.get("answer_index")
    _convert(found, keyed)
    unread = {key: field for key in extra if (field := _looks_like(key))}
    texts = keyed.texts if isinstance(keyed.texts, list) else []
    taken = index is not None and found.get("answer") in texts
    if taken and choice_at(index, texts) != found["answer"]:  # two answers that differ
        unread[chosen["answer_index"]] = "answer"
    if unread.get("duration") and isinstance(extra["duration"], str):
        del unread["duration"]
    return Fields({**extra, **found}, unread)


def nearest_name(field: str, keys: Iterable[str]) -> str:
    """Return what a record has instead of a field that is missing, for its error."""
    there = [key for key in keys if not is_field_name(key) and not key.startswith("_")]
    names = {plain(key): key for key in there}
    for name in (field, *NAMES[field]):
        near = get_close_matches(plain(name), names, n=1, cutoff=0.6)
        if near:
            return f"the nearest name that is there is {names[near[0]]!r}"
    shown = ", ".join(map(repr, there[:8])) + (" …" if len(there) > 8 else "")
    return f"other keys that are there: {shown}" if there else "no other key is there"


@functools.lru_cache(maxsize=4096)
def _looks_like(key: str) -> str | None:
    """Return the field that a key might be meant for, or None."""
    name = plain(key)
    if key.startswith("_") or not name:
        return None
    if name in _FIELD_OF:  # the record has the field under another name as well
        return _FIELD_OF[name].removesuffix("_index")
    if name in _MEANT_FOR:
        return _MEANT_FOR[name]
    for stem, field in _FIELD_OF_STEM.items():
        if name.startswith(stem):
            return field
    near = get_close_matches(name, map(plain, NAMES), n=1, cutoff=0.82)
    return _FIELD_OF[near[0]] if near else None


def _convert(found: Raw, choices: KeyedChoices) -> None:
    """Bring values to the form of our fields, where they have another usual one."""
    if "choices" in found:
        found["choices"] = [] if found["choices"] in ({}, "") else choices.texts
    for field in [
        name for name, value in found.items() if value is None and name not in _NULL_IS_WRONG
    ]:
        del found[field]
    answer, index = found.pop("answer", None), found.pop("answer_index", None)
    if answer is None and index is not None and not choices.texts:
        found["answer_index"] = index  # of a file of labels: the choices are in another
    elif answer is not None or index is not None:
        found["answer"] = answer_of(answer, index, choices)
    name = found.get("id")
    if isinstance(name, float) and name.is_integer():  # pandas makes floats of a column with gaps
        found["id"] = int(name)
    path = found.get("video_path")
    if isinstance(path, dict):  # a video of Hugging Face's datasets
        found["video_path"] = path.get("path")
    elif type(path) is int:
        found["video_path"] = str(path)
    if (number := number_of(found.get("duration_s"))) is not None:
        found["duration_s"] = number
    for field in _SECONDS:
        if field not in found:
            continue
        value = seconds_of(found[field])
        if isinstance(value, str) and (number := number_of(value)) is not None:
            value = [number]  # a cell of a table
        if field == "support_ranges" and isinstance(value, list) and len(value) == 2:
            flat = all(isinstance(one, int | float) for one in value)
            value = [value] if flat else value
        found[field] = value
