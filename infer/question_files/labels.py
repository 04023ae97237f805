"""Labels in a file of their own: answers or evidence by question id.

EgoSchema's subset_answers.json    {q_uid: number of the choice}
ActivityNet-QA's val_a.json        [{"question_id", "answer"}]
NExT-GQA's gsub_val.json           {video: {"duration", "location": {qid: [[start, end], …]}}}
KFS-Bench's lvb_anno.csv           id, segment_id, scene_id, start, end
any other file of records          with an id and fields of a question
"""

import re
from collections.abc import Iterable, Iterator
from typing import Any

from infer.question_files.field_names import NAMES, rename_fields
from infer.question_files.field_values import clock_s, number_of
from infer.record_files.raw_records import RawRecord
from infer.records import short

Raw = dict[str, Any]
Labels = dict[str, Raw]
"""Fields of a question by its id."""

_OF_THE_QUESTION = {"id", "question", "choices", "video_path", "video_aliases"}
"""Fields that a file of labels does not change."""
_SCENES = "_scenes"
"""Where the segments of a question are gathered by scene, until all are read."""
_SEGMENT_KEYS = {"id", "segment_id", "scene_id", "start", "end"}
_KFS_BENCH_END_S = 1.0
"""KFS-Bench writes whole seconds and counts the last one in: its scorer adds this to every end."""


def holds_labels_alone(raw: RawRecord) -> bool:
    """Return whether a record is of a set whose files have labels and no questions."""
    return isinstance(raw.value, dict) and (_is_segment(raw.value) or _is_grounding(raw))


def _is_segment(value: Raw) -> bool:
    return value.keys() >= _SEGMENT_KEYS


def _is_grounding(raw: RawRecord) -> bool:
    return raw.key is not None and isinstance(raw.value, dict) and "location" in raw.value


def read_labels(raws: Iterable[RawRecord]) -> tuple[Labels, list[str]]:
    """Gather labels by question id, and a line for each record that is none."""
    labels: Labels = {}
    wrong: list[str] = []
    for raw in raws:
        if raw.error:
            wrong.append(f"{raw.place}: {raw.error}")
            continue
        try:
            for name, fields in _labels_of(raw, labels):
                labels[name] = labels.get(name, {}) | fields
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            wrong.append(f"{raw.place}: it is {short(raw.value)}; want labels of a question by id")
    for fields in labels.values():
        fields.pop(_SCENES, None)
    return labels, wrong


def _labels_of(raw: RawRecord, labels: Labels) -> Iterator[tuple[str, Raw]]:
    value = raw.value
    if _is_grounding(raw):
        assert isinstance(value, dict)
        for qid, ranges in value["location"].items():
            yield (
                f"{raw.key}_{qid}",
                {
                    "support_ranges": ranges,
                    "duration_s": float(value["duration"]),
                    "video_path": raw.key,
                },
            )
    elif isinstance(value, dict) and _is_segment(value):
        name = str(value["id"])
        segment = [clock_s(value["start"]), clock_s(value["end"]) + _KFS_BENCH_END_S]
        scenes = labels.get(name, {}).get(_SCENES, {})
        scenes.setdefault(str(value["scene_id"]), []).append(segment)
        # LongVideoBench names its questions video_n, Video-MME video-n.
        video = re.sub(r"[_-]\d+$", "", name)
        yield name, {_SCENES: scenes, "scenes": list(scenes.values()), "video_path": video}
    elif isinstance(value, dict):
        fields = rename_fields(value).fields
        question = fields.get("id", raw.key)
        own = {key: fields[key] for key in NAMES.keys() - _OF_THE_QUESTION if key in fields}
        if not isinstance(question, str | int) or not own:
            raise TypeError("no id, or nothing that is known")
        yield str(question), own
    elif raw.key is not None and (value is None or value != value):
        return  # an answer that is not told
    elif raw.key is not None and isinstance(value, str | int | float):
        number = number_of(value) if not isinstance(value, str) else None
        yield raw.key, {"answer" if number is None else "answer_index": value}
    else:
        raise TypeError("no labels")
