"""The indexes that a call asks: the first has the rows, each further one scores them, too.

Each index has an encoder of its own, so a question's texts are encoded by each of them. A video is
the same in two indexes where its content is.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from index.errors import CueframeError
from index.storage.store import Profile, read_profile
from infer.queries import AnswerRecord, Query, failure_record
from infer.videos.indexed_videos import read_indexed_videos


class AskedIndex(NamedTuple):
    """An index, and the model by which it is asked."""

    folder: Path
    profile: Profile
    model: str | None
    """Value of --model; None: the model that built it."""

    @property
    def model_name(self) -> str:
        """The model by which its questions are encoded."""
        return self.model or self.profile.model


def asked_indexes(folders: Sequence[Path], models: Sequence[str]) -> list[AskedIndex]:
    """Open the indexes of --index, one at least, each with its --model.

    Raises:
        CueframeError: There is a --model, but not one for each index; an index is given twice, or
            cannot be read.
    """
    if models and len(models) != len(folders):
        raise CueframeError(
            f"--model is given {len(models)} times for {len(folders)} --index; name one for each, "
            "in the same order, or leave all out"
        )
    for place, folder in enumerate(folders):
        if folder.resolve() in [other.resolve() for other in folders[:place]]:
            raise CueframeError(f"--index {folder} is given twice; name another, or leave it out")
    given: Sequence[str | None] = models or [None] * len(folders)
    return [
        AskedIndex(folder, read_profile(folder), model)
        for folder, model in zip(folders, given, strict=True)
    ]


def key_of(indexes: Sequence[AskedIndex]) -> str:
    """Return the keys of the indexes' profiles, in order; of one index, its own."""
    return " ".join(one.profile.key for one in indexes)


def held_by_all(
    queries: Sequence[Query], others: Sequence[AskedIndex]
) -> tuple[list[Query], dict[int, AnswerRecord]]:
    """Return the queries whose video further indexes have, and by place the others' failures."""
    kept, failed = list(queries), dict[int, AnswerRecord]()
    for index in others:
        videos = read_indexed_videos(index.folder).videos
        held = {content for content, video in videos.items() if video.status == "indexed"}
        for one in kept:
            if one.content_hash not in held:
                why = (
                    f"{one.path} has no vectors in {index.folder}; add it with python "
                    f"index/build.py VIDEOS --index {index.folder}, or ask without that index"
                )
                failed[one.place] = failure_record(one.question, why)
        kept = [one for one in kept if one.place not in failed]
    return kept, failed
