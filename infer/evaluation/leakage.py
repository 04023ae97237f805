"""Check for leakage: videos that were trained on, by content, whatever their names."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from pydantic import BaseModel, ValidationError

from index.errors import CueframeError
from index.models.libraries import DISTILLED, STUDENT, TEACHER
from infer.question_files.loading import read_questions
from infer.videos.indexed_videos import IndexedVideos
from infer.videos.video_files import content_of, file_in

_LARGEST = 1 << 26
"""Bytes of a training.json that are read."""
_GENERATIONS = 20
"""Most models, each trained from the next, whose records are read."""


def refuse_leakage(
    scored: Mapping[str, str],
    train_questions: Path,
    folders: Iterable[Path],
    indexed: IndexedVideos,
    *,
    what: str = "scored",
    remedy: str = "score answers about other videos",
    folder_flag: str = "--train-videos",
) -> dict[str, str]:
    """Refuse scores, or a calibration, on videos whose content training has seen.

    Args:
        scored: The path of each scored video, by content hash.
        train_questions: File of the training questions.
        folders: Folders in which their videos may be; the first that has one counts.
        indexed: The indexed videos; files that their catalog knows are not read.
        what: What the videos are, in the error.
        remedy: What to do about one.
        folder_flag: The flag that names the folder of the training videos.

    Returns:
        The path of each training video, as its question has it, by content hash.

    Raises:
        CueframeError: There is such a video, or a training video is not found, so that a leak
            cannot be ruled out.
    """
    folders = list(folders)
    trained_on = read_questions(train_questions)
    if trained_on.refused:
        trained_on.print_refused("question")
        raise CueframeError(
            f"{len(trained_on.refused)} records of {train_questions} cannot be read, so no leak "
            "can be ruled out; mend them"
        )
    names = {one.video_path: one.video_aliases for one in trained_on.records}
    files = {
        path: next(filter(None, (file_in(folder, path, more) for folder in folders)), None)
        for path, more in names.items()
    }
    lost = [path for path, file in files.items() if file is None]
    if lost:
        raise CueframeError(
            f"{len(lost)} of {len(names)} videos of {train_questions} are not found, the first "
            f"{lost[0]}, so no leak can be ruled out; name their folder by {folder_flag}"
        )
    trained = {content_of(indexed, file): path for path, file in files.items() if file}
    leaked = [content for content in scored if content in trained]
    if leaked:
        raise CueframeError(
            f"{len(leaked)} of {len(scored)} {what} videos were trained on, the first "
            f"{scored[leaked[0]]} (in {train_questions} {trained[leaked[0]]}); {remedy}"
        )
    return trained


class _Split(BaseModel):
    """The parts of a training.json that tell what was trained on."""

    class _Side(BaseModel):
        class _Videos(BaseModel):
            videos: list[str]

        train: _Videos

    class _Configuration(BaseModel):
        model: str

    split: _Side
    configuration: _Configuration


def trained_videos(model: str) -> set[str]:
    """Return the content hashes of the videos that a model's folder says it was trained on.

    Its training.json, which train/main.py writes, and that of the model that it was trained from,
    as far as these folders are there; of a distilled model those of its teacher and its student,
    too. Of a model without it nothing is known.

    Raises:
        CueframeError: There is such a file, and it cannot be read.
    """
    found: set[str] = set()
    folders = [Path(model)]
    for _ in range(_GENERATIONS):
        before: list[Path] = []
        for folder in folders:
            if record := _record_in(folder):
                found |= set(record.split.train.videos)
                before.append(Path(record.configuration.model))
            if (folder / DISTILLED).is_file():
                before += [folder / TEACHER, folder / STUDENT]
        folders = [*dict.fromkeys(before)]
    return found


def _record_in(folder: Path) -> _Split | None:
    path = folder / "training.json"
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise CueframeError(_unread(path, str(error.strerror))) from error
    try:
        return _Split.model_validate_json(content)
    except ValidationError as error:
        raise CueframeError(_unread(path, "it is not what train/main.py writes")) from error


def _unread(path: Path, why: str) -> str:
    return (
        f"{path} cannot be read ({why}), so it cannot be told on which videos the encoder was "
        "trained; put it back, or remove it if you know that these are others"
    )
