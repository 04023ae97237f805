"""Queries: questions with their texts and indexed video, or the error where one is missing.

Legend: w windows of a text, D width of a vector.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from index.arrays import Floats
from index.boundary import costs_one
from index.errors import CueframeError
from index.messages import escaped, print_some
from index.models.long_texts import Text
from index.storage.store import Profile, read_own_vectors
from infer.metrics import TimedQuestion
from infer.question_texts import ChoiceTexts, question_texts
from infer.questions import Question
from infer.selection.parts import SpanSeconds, part_asked
from infer.videos.indexed_videos import IndexedVideos, find_indexed

AnswerRecord = dict[str, Any]
"""One line of the answers: id, video, pick and frames, or id, video_path and error."""
_Asked = tuple[str, SpanSeconds]
"""What a question asks about: the content of a video, and the part of it."""


@dataclass(frozen=True, kw_only=True)
class Query:
    """A question with its texts and its indexed video."""

    place: int
    """Position among all questions."""
    question: Question
    texts: tuple[Text, ...]
    """What the encoder reads for it; see `infer.question_texts.question_texts`."""
    path: str
    """Path of the video, as the index knows it."""
    content_hash: str


class EncodedQuery(NamedTuple):
    """A query with the vectors of its texts."""

    query: Query
    texts: Sequence[Floats] | CueframeError
    """(w, D) vectors of each of its texts, or why they cannot be encoded."""
    choices: Sequence[Floats] | CueframeError | None = None
    """(w, D) vectors of the text "question choice" of each choice for a reader of stored vectors,
    or why there are none."""
    others: Sequence[Sequence[Floats]] = ()
    """The same as `texts` by the encoder of each further index that is asked."""


def make_queries(
    questions: Sequence[Question],
    indexed: IndexedVideos,
    setting: int | None,
    choices: ChoiceTexts = "joined",
) -> tuple[list[Query], dict[int, AnswerRecord]]:
    """Give each question its texts, or none where the setting is None, and its video.

    Returns:
        The queries, and by place the failure records of the questions without text or video.
    """
    queries: list[Query] = []
    failed: dict[int, AnswerRecord] = {}
    lost: dict[int, str] = {}
    for place, question in enumerate(questions):
        with costs_one(lost, place, CueframeError):
            texts = () if setting is None else question_texts(question, setting, choices)
            path, video = find_indexed(indexed, question.video_path, question.video_aliases)
            content = video.content_hash
            queries.append(
                Query(place=place, question=question, texts=texts, path=path, content_hash=content)
            )
    for place, reason in lost.items():
        failed[place] = failure_record(questions[place], reason)
    return queries, failed


def on_timelines(
    index: Path, profile: Profile, queries: Sequence[Query]
) -> tuple[list[Query], list[TimedQuestion], dict[int, AnswerRecord]]:
    """Give the questions the times of their videos' rows, opening each vector file once.

    Questions about the same part of a video share its arrays.

    Returns:
        The queries whose video has the part that they ask about, these questions on the timelines
        of their parts, and by place the failure records of the others: those of a video whose
        vector file cannot be used, too.
    """
    parts: dict[_Asked, tuple[Floats, Floats, float, float]] = {}
    lost: dict[_Asked, str] = {}
    unread: dict[str, str] = {}
    for content, numbers in group_by_video(queries).items():
        with costs_one(unread, content, CueframeError):
            timeline = read_own_vectors(index, profile, content).timeline
            for span_s in dict.fromkeys(queries[n].question.span_s for n in numbers):
                with costs_one(lost, (content, span_s), CueframeError):
                    rows, start_s, part = part_asked(span_s, timeline)
                    time_s, end_s = timeline.time_s[rows], timeline.end_s[rows]
                    parts[content, span_s] = time_s, end_s, part.duration_s, start_s
    there: list[Query] = []
    timed: list[TimedQuestion] = []
    failed: dict[int, AnswerRecord] = {}
    for one in queries:
        asked = one.content_hash, one.question.span_s
        if reason := unread.get(one.content_hash) or lost.get(asked):
            failed[one.place] = failure_record(one.question, reason)
            continue
        there.append(one)
        time_s, end_s, duration_s, start_s = parts[asked]
        timed.append(
            TimedQuestion(one.question, time_s, end_s, duration_s, one.content_hash, start_s)
        )
    return there, timed, failed


def group_by_video(queries: Sequence[Query]) -> dict[str, list[int]]:
    """Return for each content hash the positions of its questions in `queries`."""
    groups: dict[str, list[int]] = {}
    for n, one in enumerate(queries):
        groups.setdefault(one.content_hash, []).append(n)
    return groups


def failure_record(question: Question, error: object) -> AnswerRecord:
    """Return the record of a question that cannot be answered."""
    return {"id": question.id, "video_path": question.video_path, "error": escaped(str(error))}


def print_failures(failed: Mapping[int, AnswerRecord], prefix: str, see: str = "") -> None:
    """Print the failed questions, given by place, in order of place; see `print_some`."""
    lines = [f"{failed[place]['id']}: {failed[place]['error']}" for place in sorted(failed)]
    print_some(prefix, lines, see)
