"""Checks of labels: are there any, do they lie in their videos, has each event its own."""

import math
from collections.abc import Iterator, Sequence
from itertools import chain

from index.errors import CueframeError, DamagedError
from index.storage.store import read_timeline
from infer.diagnosis.case import AskedVideos
from infer.diagnosis.commands import Commands, folder_of_all
from infer.diagnosis.findings import Finding, Tally, share, some
from infer.evaluation.event_order import spans_of_events
from infer.evaluation.late_labels import first_outside
from infer.metrics import is_labelled
from infer.questions import Question
from infer.selection.parts import bounds, part_asked

_ROUNDED_S = 1.0
"""Seconds by which a range may end past its video: ends are often rounded up to whole seconds."""


def labelled(questions: Sequence[Question]) -> Iterator[Finding]:
    """How many questions have evidence."""
    without = Tally()
    for question in questions:
        if not is_labelled(question):
            without.add(question.id)
    count = len(questions) - without.count
    figures = {"labelled": count, "questions": len(questions)}
    said = f"{share(count, len(questions))} questions have labelled evidence"
    if not without.count:
        yield Finding("labelled", "fine", said, figures)
        return
    if count:
        yield Finding(
            "labelled",
            "note",
            f"{said}: the others can be asked, and are left out of scores and training",
            figures,
            without.examples,
            (f"add support_frames or support_ranges to {without.named()}, if they are known",),
            without.ids,
        )
        return
    yield Finding(
        "labelled",
        "note",
        f"{said}: they can be asked, and not scored, compared or trained on",
        figures,
        advice=(
            "add support_frames or support_ranges to the file, or name a file of them by --labels",
        ),
        ids=without.ids,
    )


def labels_outside(
    questions: Sequence[Question], videos: AskedVideos | None = None
) -> Iterator[Finding]:
    """Labels past the end of their video, or outside of span_s: no pick can match them.

    The end is that of the indexed video, else what the question says by duration_s.
    """
    outside, spans, long, known, labels = Tally(), Tally(), Tally(), 0, 0
    for place, question in enumerate(questions):
        row = videos.of_questions[place].row if videos else None
        end_s = row.duration_s if row and row.duration_s else question.duration_s
        known += end_s is not None
        labels += end_s is not None and is_labelled(question)
        start_s, length_s = bounds(question.span_s, end_s or float("inf"))
        if not length_s and question.span_s and end_s and start_s >= end_s:
            said = f"{question.span_s[0]:g} to {question.span_s[1]:g} s of {end_s:.3f} s"
            spans.add(question.id, said)
        elif label := first_outside(question, start_s, start_s + length_s):
            at = f"{label[0]:g} s" if label[0] == label[1] else f"{label[0]:g} to {label[1]:g} s"
            outside.add(question.id, f"{at}, of {start_s:g} to {start_s + length_s:.3f} s")
        elif end_s and (longest_s := _latest_end_s(question)) > end_s + _ROUNDED_S:
            long.add(question.id, f"to {longest_s:g} s, of {end_s:.3f} s")
    figures = {"questions": len(questions), "of_known_length": known}
    if spans.count:
        yield Finding(
            "spans_outside",
            "problem",
            f"{share(spans.count, len(questions))} questions have a span_s that lies past the end "
            "of their video, so they cannot be asked",
            figures | {"outside": spans.count},
            spans.examples,
            (f"correct span_s, or the video, of {spans.named()}",),
            ids=spans.ids,
        )
    if outside.count:
        yield Finding(
            "labels_outside",
            "problem",
            f"{share(outside.count, len(questions))} questions have labels past the end of their "
            "video or outside their span_s, which nothing can match",
            figures | {"outside": outside.count},
            outside.examples,
            (f"correct the labels, or the video, of {outside.named()}",),
            ids=outside.ids,
        )
    if long.count:
        yield Finding(
            "labels_past_the_end",
            "note",
            f"{share(long.count, len(questions))} questions have a range that begins in their "
            "video and ends past its end",
            figures | {"outside": long.count},
            long.examples,
            (f"correct the ends of the ranges, or the video, of {long.named()}",),
            long.ids,
        )
    if labels and not (spans.count or outside.count or long.count):
        said = f"no label lies outside of its video ({some(labels, 'question')} of known length)"
        yield Finding("labels_outside", "fine", said, figures)


def _latest_end_s(question: Question) -> float:
    ranges = chain(question.support_ranges, *question.scenes)
    return max((end_s for _, end_s in ranges), default=0.0)


def spans_without_frame(
    questions: Sequence[Question], videos: AskedVideos, commands: Commands
) -> Iterator[Finding]:
    """Questions about a part of a video during which no frame of the index is shown.

    Only a part that is shorter than the distance between two frames can be one, so only the vector
    files of those are read.
    """
    fps = videos.profile.fps
    found, shortest_s = Tally(), 1 / fps
    for question, (_, row, *_) in zip(questions, videos.of_questions, strict=True):
        span_s = question.span_s
        if row is None or row.duration_s is None or span_s is None or span_s[0] >= row.duration_s:
            continue
        length_s = bounds(span_s, row.duration_s)[1]
        if length_s >= 1 / fps:
            continue
        try:
            part_asked(span_s, read_timeline(videos.folder, row.content_hash))
        except DamagedError:  # another check says so
            continue
        except CueframeError:
            found.add(question.id, f"{span_s[0]:g} to {span_s[1]:g} s")
            shortest_s = min(shortest_s, length_s)
    if found.count:
        advice = [f"give {found.named()} a span_s of {1 / fps:g} s and more"]
        if shortest_s > 0:
            folder = folder_of_all(videos.indexed.seen)
            denser = f"{math.ceil(1 / shortest_s)}"
            advice[0] += ", or take more frames:"
            advice.append(commands.build(folder, "--rebuild", "--fps", denser))
        yield Finding(
            "spans_without_frame",
            "problem",
            f"{share(found.count, len(questions))} questions are about a part of a video in which "
            f"the index has no frame: it has {fps:g} a second",
            {"questions": found.count},
            found.examples,
            tuple(advice),
            ids=found.ids,
        )


def labels_of_events(questions: Sequence[Question]) -> Iterator[Finding]:
    """Questions with events whose labels are not one for each event."""
    found, count = Tally(), 0
    for question in questions:
        count += bool(question.events)
        if question.events and is_labelled(question) and not len(spans_of_events(question)):
            times, ranges = len(question.support_frames), len(question.support_ranges)
            numbers = ((len(question.events), "event"), (times, "time"), (ranges, "range"))
            said = ", ".join(some(*one) for one in numbers)
            found.add(question.id, said)
    if found.count:
        yield Finding(
            "labels_of_events",
            "note",
            f"{share(found.count, count)} questions with events have not one label for each event, "
            "so their order is not scored",
            {"questions": found.count, "with_events": count},
            found.examples,
            (
                f"give {found.named()} as many support_ranges or support_frames as events, in "
                "their order",
            ),
            ids=found.ids,
        )
    elif count:
        said = f"{some(count, 'question')} with events, each of which gets a frame of its own"
        yield Finding("labels_of_events", "fine", said, {"questions": 0, "with_events": count})
