"""Checks of the records: what is refused, not read, or not used."""

from collections.abc import Iterator

from infer.diagnosis.findings import MOST_EXAMPLES, Finding, share, some, these
from infer.question_files.loading import Notices
from infer.questions import Question
from infer.records import RecordFile


def refused_records(file: RecordFile[Question]) -> Iterator[Finding]:
    """Records that the loader refuses, among them those whose id stands twice."""
    refused, total = len(file.refused), len(file.refused) + len(file.records)
    figures = {"refused": refused, "records": total}
    if not refused:
        yield Finding("refused_records", "fine", f"all {total} records can be used", figures)
        return
    first = file.refused[:MOST_EXAMPLES]
    places = these(tuple(one.place for one in first), refused)
    yield Finding(
        "refused_records",
        "problem",
        f"{share(refused, total)} records cannot be used",
        figures,
        tuple(f"{one.place}: {one.error}" for one in first),
        (f"correct {places} of {file.name}",),
    )


def unread_keys(notices: Notices) -> Iterator[Finding]:
    """Keys that look like the name of a field and are not read."""
    if not notices.unread:
        return
    found = sorted(notices.unread.items(), key=lambda item: -item[1])[:MOST_EXAMPLES]
    yield Finding(
        "unread_keys",
        "note",
        f"{some(len(notices.unread), 'key')} that may be meant for a field, and not read",
        {key: {"meant_for": field, "records": n} for (key, field), n in notices.unread.items()},
        tuple(f"{key} ({some(count, 'record')}): {field} is read" for (key, field), count in found),
        tuple(
            f"rename {key} to {field} if that is what it is, else take it out"
            for (key, field), _ in found
        ),
    )


def unused_fields(notices: Notices) -> Iterator[Finding]:
    """Fields that are kept, and used by no command that asks questions."""
    if notices.kept:
        names = ", ".join(f"{field} ({count})" for field, count in notices.kept.items())
        yield Finding(
            "unused_fields", "fine", f"kept, but not used to ask: {names}", dict(notices.kept)
        )


def label_files(notices: Notices) -> Iterator[Finding]:
    """Labels in files of their own that cannot be used, or belong to no question."""
    wrong, lost = len(notices.wrong), len(notices.labels) - notices.labelled
    if wrong:
        yield Finding(
            "wrong_labels",
            "problem",
            f"{some(wrong, 'record')} of --labels cannot be used",
            {"wrong": wrong},
            tuple(notices.wrong[:MOST_EXAMPLES]),
            ("correct these records",),
        )
    if lost > 0:
        yield Finding(
            "labels_without_question",
            "note",
            f"{share(lost, len(notices.labels))} labels have no question in {notices.name}",
            {"labels": len(notices.labels), "without_question": lost},
            advice=("name the --labels of these questions, or take the others out of the file",),
        )
