"""Videos that show a part of each other, which the split keeps on one side."""

from collections.abc import Callable, Mapping
from pathlib import Path

from accelerate import PartialState
from accelerate.utils import broadcast_object_list

from index.errors import CueframeError
from index.messages import say
from index.storage.store import Profile, Vectors, read_own_vectors, read_vectors
from infer.videos.copy_alignment import Course, on_grid
from infer.videos.near_copies import grouped, near_copies
from train.mining.sampled_vectors import SAMPLED_FOLDER
from train.video_groups import Linked


def linked_in_index(index: Path, profile: Profile) -> Linked:
    """Compare the videos that an index has."""
    return lambda paths: _linked(paths, lambda one: read_own_vectors(index, profile, one), "")


def linked_in_mined(image_path: Path) -> Linked:
    """Compare the videos of mined frames, by the vectors that mining made."""
    folder = image_path / SAMPLED_FOLDER
    remedy = f"mined into a new folder they get {folder.name}/"
    return lambda paths: _linked(paths, lambda one: read_vectors(folder, one), remedy)


def _linked(
    paths: Mapping[str, str], read: Callable[[str], Vectors], remedy: str
) -> Mapping[str, str]:
    """Compare all videos whose vectors can be read; every process calls this.

    The first compares for all, since none may come to another split.
    """
    state = PartialState()
    found = [_compared(paths, read, remedy) if state.is_main_process else {}]
    broadcast_object_list(found)
    return found[0]


def _compared(
    paths: Mapping[str, str], read: Callable[[str], Vectors], remedy: str
) -> dict[str, str]:
    there: dict[str, str] = {}
    made_by = ""
    for content in sorted(paths):
        try:
            key = read(content).profile.key
        except CueframeError:
            continue
        made_by = made_by or key
        if key == made_by:
            there[content] = paths[content]

    def course(content: str) -> Course:
        vectors = read(content)
        return on_grid(vectors.embeddings, vectors.timeline)

    if remedy and len(there) < len(paths):
        say(
            f"near copies were not looked for among {len(paths) - len(there)} of {len(paths)} "
            f"videos, which have no vectors; {remedy}"
        )
    pairs = near_copies(list(there), course)
    if pairs:
        one = max(pairs, key=lambda pair: pair.score)
        copies = {name for pair in pairs for name in (pair.part, pair.whole)}
        say(
            f"near copies: {len(copies)} of {len(there)} videos look like a part of another and "
            f"stay on its side of the split, such as {paths[one.part]}, which is "
            f"{paths[one.whole]} from {one.shift_s:.1f} s on"
        )
    return grouped(list(there), pairs)
