"""The checks in the order in which they run and are printed; a new one needs one line here.

A check is a function whose parameters are fields of `infer.diagnosis.case.Case`; it yields what it
finds. It runs where all that it needs was given: one that takes `model` only with an encoder. A
parameter with a default may be missing.
"""

import inspect
from collections.abc import Callable, Iterator
from typing import Any

from infer.diagnosis.asked_texts import choices_setting, equal_questions, questions_without_text
from infer.diagnosis.case import Case
from infer.diagnosis.choice_texts import (
    answers,
    equal_choices,
    equal_choices_to_the_model,
    number_of_choices,
)
from infer.diagnosis.file_records import label_files, refused_records
from infer.diagnosis.findings import Finding
from infer.diagnosis.frame_view import view_of_frames
from infer.diagnosis.label_times import (
    labelled,
    labels_of_events,
    labels_outside,
    spans_without_frame,
)
from infer.diagnosis.languages import languages_of_questions, languages_read, nearness
from infer.diagnosis.negative_frames import negative_frames
from infer.diagnosis.text_tokens import long_texts, pieces_of_words, unknown_pieces
from infer.diagnosis.unread_keys import unread_keys
from infer.diagnosis.video_checks import (
    few_frames,
    questions_per_video,
    vector_files,
    videos_not_found,
)

CHECKS: tuple[Callable[..., Iterator[Finding]], ...] = (
    *(refused_records, unread_keys, label_files),
    *(questions_without_text, choices_setting, equal_questions),
    *(equal_choices, number_of_choices, answers),
    *(labelled, labels_outside, spans_without_frame, labels_of_events, negative_frames),
    *(questions_per_video, videos_not_found, vector_files, few_frames, view_of_frames),
    *(languages_of_questions, languages_read, nearness),
    *(long_texts, pieces_of_words, unknown_pieces, equal_choices_to_the_model),
)


def all_findings(case: Case) -> Iterator[Finding]:
    """Run every check that can be run."""
    for check in CHECKS:
        given = _given(check, case)
        if given is not None:
            yield from check(**given)


def _given(check: Callable[..., Iterator[Finding]], case: Case) -> dict[str, Any] | None:
    """Return the arguments of a check, or None where one that it needs is missing."""
    found = {}
    for name, parameter in inspect.signature(check).parameters.items():
        found[name] = getattr(case, name)
        if found[name] is None and parameter.default is inspect.Parameter.empty:
            return None
    return found
