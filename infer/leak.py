"""Whether videos that are scored were trained on: by content, whatever their names."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from index.errors import CueframeError
from infer.indexed import Library
from infer.originals import content_of, file_in
from infer.questions import load_questions


def refuse_trained(
    scored: Mapping[str, str], train_questions: Path, folders: Iterable[Path], library: Library
) -> None:
    """Refuse scores on videos whose content training has seen.

    Args:
        scored: The path of each scored video, by content hash.
        train_questions: File of the questions of training.
        folders: Where their videos may be; the first that has one counts.
        library: Its catalog spares reading the files that it knows.

    Raises:
        CueframeError: There is such a video, or a video of training is not found, so that nothing
            is known of it.
    """
    folders = list(folders)
    paths = dict.fromkeys(one.video_path for one in load_questions(train_questions))
    files = {path: next(filter(None, (file_in(f, path) for f in folders)), None) for path in paths}
    lost = [path for path, file in files.items() if file is None]
    if lost:
        raise CueframeError(
            f"{len(lost)} of {len(paths)} videos of {train_questions} are not found, the first "
            f"{lost[0]}, so no leak can be ruled out; name their folder by --train-videos"
        )
    trained = {content_of(library, file): path for path, file in files.items() if file}
    leaked = [content for content in scored if content in trained]
    if leaked:
        raise CueframeError(
            f"{len(leaked)} of {len(scored)} scored videos were trained on, the first "
            f"{scored[leaked[0]]} (in {train_questions} {trained[leaked[0]]}); score answers about "
            "other videos"
        )
