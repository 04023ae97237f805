"""Frames that are known to show what a text asks: nowhere are they a negative of it.

Questions with an equal text may be about one video at several times, and a frame that was mined for
another question may show what this one asks. Labels say so, once for the whole run.

Legend: Q questions, F frames that may be drawn, K pairs of a text and a frame.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from index.arrays import Bools, Floats, Integers
from infer.metrics import answer_ranges, answer_times
from infer.questions import Question
from train.data import PosNegDataset
from train.losses.pool import pair_keys
from train.mined_frames import MinedFrame, frame_ids, read_mined_frames
from train.mining.negatives import shows_answer
from train.split import Example


class LabelledFrames(NamedTuple):
    """The frames of a question, by id."""

    true: Integers
    near: Integers
    """Frames shown near a support time, or during a range."""
    negative: Integers
    """Frames of its `negative_frames`."""


def evidence_table(text_ids: Tensor, frames: Iterable[LabelledFrames]) -> Tensor:
    """Return the pairs of a text and a frame that belong together, (K,) as `Columns.evidence`.

    A frame that a question with that text names as a negative is none, unless it is a true frame of
    another one.

    Args:
        text_ids: (Q,) equal for equal texts.
        frames: Of each question.
    """
    true, near, negative = ([torch.zeros(0, dtype=torch.int64)] for _ in range(3))
    for text, one in zip(text_ids, frames, strict=True):
        true.append(pair_keys(text, torch.from_numpy(one.true)))
        near.append(pair_keys(text, torch.from_numpy(one.near)))
        negative.append(pair_keys(text, torch.from_numpy(one.negative)))
    shown = torch.cat(near)
    shown = shown[~torch.isin(shown, torch.cat(negative))]
    table: Tensor = torch.unique(torch.cat([shown, *true]))
    return table


def shown_of(
    question: Question, time_s: Floats, end_s: Floats, duration_s: float, guard_s: float
) -> Bools:
    """Return (F,) which frames are shown near a support time of a question, or during a range.

    Without support times, the middles of the ranges stand for them, as in mining. Arguments are
    those of `train.mining.negatives.shows_answer`.
    """
    return shows_answer(
        time_s,
        end_s,
        duration_s,
        support_s=np.array(answer_times(question), np.float64),
        ranges_s=answer_ranges(question),
        guard_s=guard_s,
    )


class MinedEvidence(NamedTuple):
    """What is known of the pictures of a data set."""

    frame_ids: Integers
    """(files,) of each picture, equal for equal frames."""
    table: Tensor
    """(K,) as `evidence_table` gives it."""


def mined_evidence(
    examples: Sequence[Example], pictures: PosNegDataset, text_ids: Tensor, guard_s: float
) -> MinedEvidence:
    """Find equal frames and evidence among the pictures that train/mine.py wrote.

    Args:
        examples: Q questions.
        pictures: Their pictures.
        text_ids: (Q,) equal for equal texts.
        guard_s: Seconds around a support time that show the answer.
    """
    known = read_mined_frames(pictures.files)
    ids = frame_ids(pictures.files, known)
    of_video: dict[str, dict[int, MinedFrame]] = {}
    for number, file in zip(ids.tolist(), pictures.files, strict=True):
        if file in known:
            of_video.setdefault(known[file].content_hash, {})[number] = known[file]
    videos = {content: _frames_of_video(frames) for content, frames in of_video.items()}

    def frames_of(number: int, one: Example) -> LabelledFrames:
        true, negatives = pictures.pictures(number)
        labelled = [n for n in negatives if pictures.files[n] in pictures.labelled]
        near, video = ids[:0], videos.get(one["content_hash"])
        if video:
            times = video.time_s, video.end_s, video.duration_s
            near = video.ids[shown_of(one["question"], *times, guard_s)]
        return LabelledFrames(ids[true], near, ids[labelled])

    table = evidence_table(text_ids, map(frames_of, range(len(examples)), examples))
    return MinedEvidence(ids, table)


class _VideoFrames(NamedTuple):
    ids: Integers
    time_s: Floats
    end_s: Floats
    duration_s: float


def _frames_of_video(frames: Mapping[int, MinedFrame]) -> _VideoFrames:
    return _VideoFrames(
        np.array([*frames], np.int64),
        np.array([one.time_s for one in frames.values()]),
        np.array([one.end_s for one in frames.values()]),
        min(one.duration_s for one in frames.values()),
    )
