"""A check of how much of a frame the encoder does not see: what a centre crop cuts off."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from index.errors import CueframeError
from index.models.preprocess import ImageTransform
from index.progress import bar
from index.storage.catalog import has_whole_file
from index.storage.store import read_vectors
from infer.diagnosis.case import AskedVideos, questions_about
from infer.diagnosis.commands import Commands, folder_of_all
from infer.diagnosis.findings import Finding, Tally, percent, share, some
from infer.questions import Question

if TYPE_CHECKING:  # it imports torch
    from index.models.dual_model import DualModel

MOST_VIDEOS = 500
"""Videos whose size is looked up, evenly spread: their vector files are read for it."""
_FEW = 0.05
"""A share of the picture that nobody misses."""


def view_of_frames(
    questions: Sequence[Question],
    videos: AskedVideos,
    commands: Commands,
    model: "DualModel | None" = None,
) -> Iterator[Finding]:
    """How much of the pictures of the questions' videos is cut off, by the view of the index."""
    view = videos.profile.view
    if view != "center":
        said = f"the index was built with --view {view}, so all of a frame is seen"
        yield Finding("frame_view", "fine", said, {"view": view})
        return
    asked = {one.row.content_hash: one.path for one in videos.of_questions if one.row}
    contents = [one for one in asked if has_whole_file(videos.folder, videos.indexed.videos[one])]
    contents = contents[:: 1 + (len(contents) - 1) // MOST_VIDEOS] if contents else []
    sizes: Counter[tuple[int, int]] = Counter()
    unread, damaged = Tally(), set[str]()
    for content in bar(contents, "video", len(contents)):
        try:
            metadata = read_vectors(videos.folder, content).metadata
        except CueframeError as error:
            unread.add(asked[content], str(error).split("; ")[0])
            damaged.add(content)
            continue
        sizes[metadata.width, metadata.height] += 1
    if unread.count:
        yield Finding(
            "vectors_damaged",
            "problem",
            f"{share(unread.count, len(contents))} vector files that were read are damaged",
            {"videos": unread.count, "looked_at": len(contents)},
            unread.examples,
            (commands.repair(), commands.build(folder_of_all(videos.indexed.seen))),
            ids=questions_about(questions, videos, damaged),
        )
    if sizes:
        transform = model.transform if model and model.has_vision else None
        yield _of_sizes(sizes, transform, videos, commands)


def _of_sizes(
    sizes: Counter[tuple[int, int]],
    transform: ImageTransform | None,
    videos: AskedVideos,
    commands: Commands,
) -> Finding:
    total = sizes.total()
    lost = {size: 1 - seen_share(*size, transform) for size in sizes}
    mean = sum(lost[size] * count for size, count in sizes.items()) / total
    cut = sum(count for size, count in sizes.items() if lost[size] > _FEW)
    figures = {
        "view": "center",
        "videos": total,
        "cut": cut,
        "mean_lost": round(mean, 6),
        "sizes": {f"{w}x{h}": count for (w, h), count in sizes.most_common()},
    }
    if not cut:
        said = f"the middle square that the model sees is all of a frame in {some(total, 'video')}"
        return Finding("frame_view", "fine", said, figures)
    examples = tuple(
        f"{w}x{h} ({some(count, 'video')}): {percent(lost[w, h])} is cut off"
        for (w, h), count in sizes.most_common(3)
    )
    folder = folder_of_all(videos.indexed.seen)
    return Finding(
        "frame_view",
        "note",
        f"the model sees the middle of a frame alone (--view center): of {share(cut, total)} "
        f"videos the edges are cut off, {percent(mean)} of a picture on average",
        figures,
        examples,
        (
            commands.build(folder, "--rebuild", "--view", "stretch"),
            "or with --view pad, or --view tiles, if what is asked about may stand at the edges",
        ),
    )


def seen_share(width: int, height: int, transform: ImageTransform | None) -> float:
    """Return the share of a picture of this size that is inside the crop of view center.

    Args:
        width: Of the picture, in pixels.
        height: Of the picture.
        transform: The model's; None: its input is a square, as nearly all models' is.
    """
    if transform is None:
        return min(width, height) / max(width, height)
    scaled_width, scaled_height = transform.scaled_size(width, height)
    across = min(1.0, transform.width / scaled_width)
    return across * min(1.0, transform.height / scaled_height)
