"""Check for leakage by vectors: scored videos that show a part of a training video."""

from collections.abc import Mapping
from pathlib import Path

from index.errors import CueframeError
from index.messages import print_some, say
from index.storage.store import read_own_vectors, read_profile
from infer.videos.copy_alignment import Course, on_grid
from infer.videos.indexed_videos import read_indexed_videos
from infer.videos.near_copies import NearCopy, near_copies


def refuse_near_copies(
    scored: Mapping[str, str],
    trained: Mapping[str, str],
    index: Path,
    train_index: Path | None,
    *,
    only_warn: bool = False,
) -> None:
    """Refuse scores of videos that show a part of a training video, or the other way round.

    Training videos without vectors are counted on stderr, for nothing is known of them.

    Args:
        scored: The path of each scored video, by content hash; the index has them.
        trained: The path of each training video, by content hash; none of these is scored.
        index: Index of the scored videos.
        train_index: Another index, of the training videos that the first one has not.
        only_warn: Print a line for each near copy, and raise nothing.

    Raises:
        CueframeError: There is such a video, or the indexes cannot be compared.
    """
    folders = [index, *([train_index] if train_index else [])]
    profiles = [read_profile(folder) for folder in folders]
    if train_index and profiles[1].key != profiles[0].key:
        raise CueframeError(
            f"{train_index} was built by another model, at another rate or in another way than "
            f"{index}, so their vectors do not compare; build it with the flags of {index}"
        )
    place: dict[str, int] = {}
    for number in reversed(range(len(folders))):
        videos = read_indexed_videos(folders[number]).videos
        place |= {name: number for name, row in videos.items() if row.status == "indexed"}

    def read(content: str) -> Course:
        number = place[content]
        vectors = read_own_vectors(folders[number], profiles[number], content)
        return on_grid(vectors.embeddings, vectors.timeline)

    known = [content for content in trained if content in place]
    found = near_copies(sorted(scored), read, sorted(known))
    if len(known) < len(trained):
        lost = next(path for content, path in trained.items() if content not in place)
        say(
            f"near copies were looked for among {len(known)} of {len(trained)} training videos: "
            f"the others are in no index, the first {lost}; name theirs by --train-index"
        )
    lines = [_line(pair, scored, trained) for pair in found]
    if only_warn:
        print_some("near copy", lines)
    elif lines:
        copied = {name for pair in found for name in (pair.part, pair.whole) if name in scored}
        raise CueframeError(
            f"{len(copied)} of {len(scored)} scored videos look like a part of a training video, "
            f"the first: {lines[0]}; score answers about other videos, or go on with "
            "--near-copies warn if these are others that look alike"
        )


def _line(pair: NearCopy, scored: Mapping[str, str], trained: Mapping[str, str]) -> str:
    part, whole = pair.part, pair.whole
    names = {name: f"{path} (trained on)" for name, path in trained.items()} | dict(scored)
    return (
        f"{names[part]} is {names[whole]} from {pair.shift_s:.1f} s on (alike to {pair.score:.2f} "
        "of 1)"
    )
