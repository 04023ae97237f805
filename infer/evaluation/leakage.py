"""Check for leakage: scored videos that were trained on, by content, whatever their names."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from index.errors import CueframeError
from infer.question_files.loading import read_questions
from infer.videos.indexed_videos import IndexedVideos
from infer.videos.video_files import content_of, file_in


def refuse_leakage(
    scored: Mapping[str, str],
    train_questions: Path,
    folders: Iterable[Path],
    indexed: IndexedVideos,
) -> None:
    """Refuse scores on videos whose content training has seen.

    Args:
        scored: The path of each scored video, by content hash.
        train_questions: File of the training questions.
        folders: Folders in which their videos may be; the first that has one counts.
        indexed: The indexed videos; files that their catalog knows are not read.

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
            f"{lost[0]}, so no leak can be ruled out; name their folder by --train-videos"
        )
    trained = {content_of(indexed, file): path for path, file in files.items() if file}
    leaked = [content for content in scored if content in trained]
    if leaked:
        raise CueframeError(
            f"{len(leaked)} of {len(scored)} scored videos were trained on, the first "
            f"{scored[leaked[0]]} (in {train_questions} {trained[leaked[0]]}); score answers about "
            "other videos"
        )
