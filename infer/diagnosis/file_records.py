"""Checks of the records: what is refused, or not used."""

import re
from collections.abc import Iterator

from infer.diagnosis.findings import MOST_EXAMPLES, Finding, share, some, these
from infer.question_files.loading import Notices
from infer.questions import Question
from infer.records import RecordFile

_NUMBER_AS_TEXT = re.compile(r"\b(?:choices|events|paraphrases)\[\d+\] is -?[\d.]")


def refused_records(file: RecordFile[Question]) -> Iterator[Finding]:
    """Records that the loader refuses, among them those whose id stands twice."""
    refused, total = len(file.refused), len(file.refused) + len(file.records)
    figures = {"refused": refused, "records": total}
    if not refused:
        said = f"{some(total, 'record')}, all of which can be used"
        yield Finding("refused_records", "fine", said, figures)
        return
    first = file.refused[:MOST_EXAMPLES]
    advice = [f"correct {these(tuple(one.place for one in first), refused)} of {file.name}"]
    if any(_NUMBER_AS_TEXT.search(one.error) for one in file.refused):
        advice.append('write numbers that are texts, as among choices, in quotes: "7", not 7')
    yield Finding(
        "refused_records",
        "problem",
        f"{share(refused, total)} records cannot be used",
        figures,
        tuple(f"{one.place}: {one.error}" for one in first),
        tuple(advice),
        [one.id or one.place for one in file.refused],
    )


def label_files(file: RecordFile[Question], notices: Notices) -> Iterator[Finding]:
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
            notices.wrong,
        )
    if lost > 0:
        asked = {one.id for one in file.records} | {one.id for one in file.refused}
        yield Finding(
            "labels_without_question",
            "note",
            f"{share(lost, len(notices.labels))} labels have no question in {notices.name}",
            {"labels": len(notices.labels), "without_question": lost},
            advice=("name the --labels of these questions, or take the others out of the file",),
            ids=[name for name in notices.labels if name not in asked],
        )
