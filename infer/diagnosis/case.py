"""What the checks look at: the questions, how they will be asked, the index and the encoder."""

from collections.abc import Container, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from index.errors import VideoError
from index.messages import escaped
from index.models.long_texts import LongText
from index.storage.catalog import VideoRow
from index.storage.store import Profile
from infer.diagnosis.commands import Commands
from infer.diagnosis.translations import Measured
from infer.question_files.loading import Notices
from infer.question_texts import ChoiceTexts
from infer.questions import Question
from infer.records import RecordFile
from infer.videos.indexed_videos import IndexedVideos, find_indexed, paths_meant

if TYPE_CHECKING:  # they import torch, and a file alone needs none
    from index.models.dual_model import DualModel
    from index.models.text_languages import TextLanguages

Fault = Literal["missing", "ambiguous", "waiting", "failed"]
"""Why a question's video cannot be asked: it is not in the index, the path may mean several, it has
no vectors yet, or it could not be indexed."""


class Plan(NamedTuple):
    """How the questions will be asked: flags of infer/answer.py."""

    caption: int
    choices: ChoiceTexts
    long_text: LongText
    frames: int


class AskedVideo(NamedTuple):
    """The video of a question."""

    path: str
    """As the index knows it, else as the question names it."""
    row: VideoRow | None
    """None: it cannot be asked."""
    fault: Fault | None = None
    error: str = ""


class AskedVideos(NamedTuple):
    """An index, and the video of each question in it."""

    folder: Path
    profile: Profile
    indexed: IndexedVideos
    of_questions: Sequence[AskedVideo]


@dataclass(frozen=True, kw_only=True)
class Case:
    """Whatever a check may need; what is None was not given."""

    file: RecordFile[Question]
    questions: Sequence[Question]
    notices: Notices
    """What was met in the file besides."""
    languages: Sequence[str]
    """The language of each question, as ISO 639-1 code."""
    plan: Plan
    commands: Commands
    videos: AskedVideos | None
    model: "DualModel | None"
    known: "TextLanguages | None"
    """The languages that it was trained to read, where that is known."""
    measured: Measured | None
    """How near texts are to their translations and other wordings."""


def asked_videos(
    folder: Path, profile: Profile, indexed: IndexedVideos, questions: Sequence[Question]
) -> AskedVideos:
    """Find the video of each question, each name once."""
    known: dict[tuple[str, ...], AskedVideo] = {}
    found: list[AskedVideo] = []
    for question in questions:
        names = (question.video_path, *question.video_aliases)
        if names not in known:
            known[names] = _asked(indexed, names)
        found.append(known[names])
    return AskedVideos(folder, profile, indexed, found)


def questions_about(
    questions: Sequence[Question], videos: AskedVideos, contents: Container[str]
) -> list[str]:
    """Return the ids of the questions about videos of these content hashes."""
    return [
        question.id
        for question, (_, row, *_) in zip(questions, videos.of_questions, strict=True)
        if row and row.content_hash in contents
    ]


def _asked(indexed: IndexedVideos, names: tuple[str, ...]) -> AskedVideo:
    try:
        return AskedVideo(*find_indexed(indexed, names[0], names[1:]))
    except VideoError as error:
        said = escaped(str(error))
    paths = paths_meant(indexed, names[0], names[1:])
    contents = {indexed.seen[path].content_hash for path in paths}
    if not paths:
        return AskedVideo(names[0], None, "missing", said)
    if len(contents) > 1:
        return AskedVideo(names[0], None, "ambiguous", said)
    has_row = contents.pop() in indexed.videos
    return AskedVideo(paths[0], None, "failed" if has_row else "waiting", said)
