"""What mining knows of its pictures: when their frames are shown, and which of them are equal.

A frame is a content of a video and a time in it, in whichever folders its pictures lie. A picture
that mining knows nothing of, in a folder that somebody else filled, is a frame of its own.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np

from index.arrays import Integers
from index.errors import CueframeError
from train.mining.manifest import LABELLED, read_records


class MinedFrame(NamedTuple):
    """A frame of a video."""

    content_hash: str
    time_s: float
    end_s: float
    """Its time, where the end is not known."""
    duration_s: float
    """Length of the video; infinite where it is not known."""
    labelled: bool
    """Whether the question says itself that it does not answer (`negative_frames`)."""


def read_mined_frames(files: Iterable[str]) -> dict[str, MinedFrame]:
    """Read what mined.jsonl has of these pictures, by file: OUTPUT/frames_…/<id>/….

    Raises:
        CueframeError: A line is not a record of a question.
    """
    wanted = set(files)
    found: dict[str, MinedFrame] = {}
    for output in sorted({Path(file).parent.parent.parent for file in wanted}):
        for name, record in read_records(output).items():
            try:
                for shot in chain(record.get("true", ()), record.get("negatives", ())):
                    file = str(output / shot["file"])
                    if file in wanted:
                        time_s = float(shot["time_s"])
                        found[file] = MinedFrame(
                            record["content_hash"],
                            time_s,
                            float(shot.get("end_s", time_s)),
                            float(record.get("duration_s", np.inf)),
                            shot.get("source") == LABELLED,
                        )
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                raise CueframeError(
                    f"{output}/mined.jsonl: the line of question {name} does not say which frames "
                    "it has; delete the line, and run train/mine.py again"
                ) from error
    return found


def frame_ids(files: Sequence[str], known: Mapping[str, MinedFrame]) -> Integers:
    """Number the frames: (files,) equal for pictures of one frame.

    Pictures of one frame are copies, so one of another size has been replaced, and is a frame of
    its own.
    """
    keys: dict[object, int] = {}
    ids = []
    for file in files:
        frame = known.get(file)
        key = (frame.content_hash, frame.time_s, Path(file).stat().st_size) if frame else file
        ids.append(keys.setdefault(key, len(keys)))
    return np.array(ids, np.int64)
