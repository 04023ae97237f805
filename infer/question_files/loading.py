"""Load the questions of a file of any known layout, with labels from other files."""

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from index.errors import CueframeError
from index.messages import name_some, print_some, say
from infer.question_files.field_names import is_field_name, nearest_name, rename_fields
from infer.question_files.formats import FORMATS, format_of
from infer.question_files.labels import Labels, holds_labels_alone, read_labels
from infer.question_files.nested_records import flat
from infer.questions import Question
from infer.record_files.raw_records import RawRecord, read_raw_records, source_name
from infer.records import MOST_REFUSED, RecordFile, as_object, short, validated


def load_questions(
    source: str | Path, *, layout: str = "auto", labels: Sequence[str | Path] = ()
) -> Sequence[Question]:
    """Read and validate the questions of a file; "-" is standard input.

    Records that cannot be used are left out, with a line each on stderr.

    Args:
        source: JSON, JSON lines, CSV or Parquet.
        layout: A name of `infer.question_files.formats.FORMATS`, or auto: found by the keys.
        labels: Files with answers or evidence by question id, `infer.question_files.labels`.

    Raises:
        CueframeError: The file cannot be read, or none of its records can be used.
    """
    found = read_questions(source, layout=layout, labels=labels)
    if os.environ.get("RANK", "0") == "0":
        found.print_refused("question")
    return found.records


def read_questions(
    source: str | Path,
    *,
    layout: str = "auto",
    labels: Sequence[str | Path] = (),
) -> RecordFile[Question]:
    """Read and validate questions as `load_questions`; the refused records are returned as well."""
    found, notices = read_with_notices(source, layout=layout, labels=labels)
    if os.environ.get("RANK", "0") == "0":
        notices.print_notices()
    if labels and not notices.labelled:
        raise notices.without_labels(labels)
    return found


def read_with_notices(
    source: str | Path,
    *,
    layout: str = "auto",
    labels: Sequence[str | Path] = (),
) -> "tuple[RecordFile[Question], Notices]":
    """Read questions as `read_questions`, and return what it would say instead of saying it."""
    if [str(one) for one in (source, *labels)].count("-") > 1:
        raise CueframeError("standard input is given twice, and can be read once; name a file")
    name = source_name(source)
    notices = Notices(name)
    by_id: Labels = {}
    for path in labels:
        more, wrong = read_labels(read_raw_records(path, "label", is_field_name))
        notices.wrong += [f"{path}: {line}" for line in wrong]
        for question, fields in more.items():
            by_id[question] = by_id.get(question, {}) | fields
    raws: Iterator[RawRecord] = read_raw_records(source, "question", is_field_name)
    first = next(raws, None)
    raws = raws if first is None else chain([first], raws)
    kind = Question
    if first and layout == "auto" and holds_labels_alone(first):
        raws, kind = _as_records(raws, notices), Evidence
    else:
        raws = flat(raws)
    found = validated(
        raws, kind, "question", name, lambda raw: _fields(raw, layout, by_id, notices)
    )
    notices.labels = [*by_id]
    return found._replace(complete=not (found.refused or notices.wrong)), notices


class Evidence(Question):
    """A question of a file that has its labels and not its text; it can be scored, not asked."""

    question: str = ""


def _as_records(raws: Iterable[RawRecord], notices: "Notices") -> Iterator[RawRecord]:
    """Turn a file of labels alone into records of questions without a text."""
    labels, wrong = read_labels(raws)
    notices.wrong += [f"{notices.name}: {line}" for line in wrong]
    for number, (question, fields) in enumerate(labels.items(), 1):
        yield RawRecord(f"record {number}", {"id": question, "question": "", **fields})


class Notices:
    """What was met in a file and is said at its end, in one line for each kind."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.unread: Counter[tuple[str, str]] = Counter()
        """Records by key and the field that it may be meant for."""
        self.labelled = self.records = 0
        self.wrong: list[str] = []
        """Labels that cannot be used."""
        self.labels: list[str] = []
        """The question ids of the labels in files of their own."""

    def without_labels(self, labels: Sequence[str | Path]) -> CueframeError:
        """Return the error of files of labels that belong to no question."""
        files = name_some([*map(str, labels)])
        if not self.labels:
            return CueframeError(f"{files}: there are no labels in it")
        return CueframeError(
            f"none of {len(self.labels)} labels of {files} has the id of a question of "
            f"{self.name}, {short(self.labels[0])} for one; give the labels of these questions"
        )

    def print_notices(self) -> None:
        """Print them."""
        print_some("not read", self.wrong, most=MOST_REFUSED)
        if len(self.labels) > self.labelled > 0:
            lost = len(self.labels) - self.labelled
            say(f"{lost} of {len(self.labels)} labels have no question in {self.name}")
        lines = [
            f"the key {short(key)} of {count} records is not read; {field} is"
            for (key, field), count in self.unread.items()
        ]
        print_some(f"warning: {self.name}", lines)


def _fields(raw: RawRecord, layout: str, labels: Labels, notices: Notices) -> Mapping[str, Any]:
    """Return a record's fields under our names, with its labels from other files.

    Raises:
        ValueError: It is no object, lacks a field, or is not of the format.
    """
    record = dict(as_object(raw.value))
    entry = format_of(frozenset(record)) if layout == "auto" else FORMATS[layout]
    try:
        notices.records += 1
        record = entry.convert(record, notices.records)
    except KeyError as missing:
        raise ValueError(f"{missing.args[0]!r} is missing, which {layout} has") from missing
    fields, unread = rename_fields(record)
    if "id" not in fields and raw.key is not None:
        fields["id"] = raw.key
    name = fields.get("id")
    own = labels.get(str(name)) if isinstance(name, str | int) else None
    if own is not None:
        notices.labelled += 1
        if "answer_index" in own:
            fields.pop("answer", None)
        own = {key: value for key, value in own.items() if key != "video_path"}
        fields = rename_fields({**fields, **own}).fields
    for field in ("id", "question", "video_path"):
        if field not in fields:
            wanted = Question.model_fields[field].description
            raise ValueError(f"{field} is missing; {nearest_name(field, record)}; want {wanted}")
    notices.unread.update(item for item in unread.items() if item[0] not in entry.set_aside)
    return fields
