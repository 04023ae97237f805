"""Text tuning from an index: image vectors come from disk, nothing is decoded or encoded.

The positive of a question is the indexed frame shown at a support time, else the nearest; every
indexed frame of its video, or of the part that is asked about, that is shown neither near a support
time nor during a support range or scene is a negative. Questions without support times have the
middles of their ranges or scenes. The vision side is frozen, so the index stays valid for the tuned
model.

B: questions of a process's shard of a step, c: frames of all of them (columns), T: tiles of a
frame, D: width of a vector, R: vectors of all the videos together.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from index.arrays import Floats, Integers
from index.errors import CueframeError, VideoError
from index.messages import say
from index.spans import rows_shown_at, seconds_away, until_next
from index.storage.store import Profile, Vectors, read_own_vectors, read_profile
from infer.metrics import answer_times
from infer.questions import Question
from infer.videos.indexed_videos import IndexedVideos, find_indexed, read_indexed_videos
from train.batches import Shard, TokenizedTexts, columns
from train.evidence import LabelledFrames, evidence_table, shown_of
from train.grad_cache import MicroBatch
from train.mining.negatives import is_asked_about
from train.split import Example

_NAMED = 5
"""Maximum number of questions that a message names; the rest is counted."""


@dataclass(frozen=True, slots=True)
class OpenIndex:
    """An index opened for training."""

    path: Path
    profile: Profile
    indexed: IndexedVideos

    def contents(self, questions: Iterable[Question], json_path: Path) -> dict[str, str]:
        """Return the content hashes of the questions' videos that are indexed, by question id."""
        found: dict[str, str] = {}
        lost: list[str] = []
        for question in questions:
            try:
                found[question.id] = find_indexed(
                    self.indexed, question.video_path, question.video_aliases
                )[1].content_hash
            except VideoError as error:
                lost.append(f"{question.id}: {error}")
        if lost and os.environ.get("RANK", "0") == "0":
            say(f"left out: {len(lost)} questions; the first is {lost[0]}")
        if not found:
            raise CueframeError(
                f"{self.path} has none of the videos of {json_path}; index them with "
                "python index/build.py, or name their --index"
            )
        return found


def open_index(path: Path) -> OpenIndex:
    """Read an index's profile and catalog.

    Raises:
        CueframeError: There is no index, or it is damaged.
    """
    return OpenIndex(path, read_profile(path), read_indexed_videos(path))


class IndexBatches:
    """Micro-batches with vectors from an index; a process's whole shard of a step is one.

    So the text tower runs once forward and once backward over each text, whatever the loss, unless
    many texts are long: then it is divided.
    """

    def __init__(
        self,
        examples: Sequence[Example],
        texts: TokenizedTexts,
        index: OpenIndex,
        *,
        guard_s: float,
        seed: int,
        device: torch.device,
    ) -> None:
        self._texts, self._seed, self._device = texts, seed, device
        tables: list[npt.NDArray[np.float16]] = []
        first: dict[str, int] = {}
        videos: dict[str, Vectors] = {}
        vectors = 0
        for content in dict.fromkeys(one["content_hash"] for one in examples):
            videos[content] = read_own_vectors(index.path, index.profile, content)
            tables.append(videos[content].embeddings.reshape(-1, index.profile.width))
            first[content] = vectors
            vectors += len(tables[-1])
        self._table = torch.from_numpy(np.concatenate(tables)).to(device)  # (R, D) float16
        # Of each question: the first vectors of its frames, and how many each of them has.
        self._frames: list[LabelledFrames] = []
        self._negatives: list[npt.NDArray[np.int64]] = []
        self._tiles: list[int] = []
        self.distances_s: dict[str, float] = {}
        """By question id, the largest distance from a support time to its nearest row."""
        for one in examples:
            video, offset = videos[one["content_hash"]], first[one["content_hash"]]
            tiles = video.embeddings.shape[1]
            rows = rows_of(
                one["question"], video.time_s, guard_s, video.end_s, video.metadata.duration_s
            )
            true, near, labelled = (
                offset + tiles * own for own in (rows.true, rows.near, rows.labelled)
            )
            self._frames.append(LabelledFrames(true, near, labelled))
            self._negatives.append(offset + tiles * rows.negatives)
            self._tiles.append(tiles)
            self.distances_s[one["id"]] = rows.distance_s
        self._evidence = evidence_table(texts.text_ids, self._frames).to(device)

    def steps(self, epoch: int, shares: Sequence[Shard]) -> Generator[list[MicroBatch]]:
        """See `train.batches.BatchLoader.steps`."""
        for share in shares:
            batches = self._texts.micro_batches(share, max(1, len(share)), epoch)
            yield [self._micro_batch(epoch, numbers) for numbers in batches]

    def unreadable(self) -> list[str]:
        """Return no pictures, since none are read."""
        return []

    def fingerprint(self) -> None:
        """Return None: the vectors are those of the index's profile and of the videos."""

    def _micro_batch(self, epoch: int, share: Shard) -> MicroBatch:
        frames = [
            np.append(self._drawn(epoch, number), self._negatives[number]) for number in share
        ] or [np.zeros(1, np.int64)]
        flat = columns(np.array([len(own) for own in frames] if share else [0]))
        first = np.concatenate(frames)  # (c,)
        flat["frame_ids"] = torch.from_numpy(first)
        tiles = np.array([self._tiles[number] for number in share] or [1])[
            flat["owners"].numpy()
        ]  # (c,)
        # Frames of fewer tiles repeat their last one.
        rows = first[:, None] + np.minimum(np.arange(tiles.max()), tiles[:, None] - 1)  # (c, T)
        return MicroBatch(
            **self._texts.part_of_batch(share, self._device, epoch),
            **{name: one.to(self._device) for name, one in flat.items()},
            images=self._table[torch.from_numpy(rows).to(self._device)],  # (c, T, D)
            evidence=self._evidence,
        )

    def _drawn(self, epoch: int, number: int) -> np.int64:
        """Return the true frame of a question in this epoch."""
        draw = np.random.default_rng([self._seed, epoch, number])
        chosen: np.int64 = draw.choice(self._frames[number].true)
        return chosen


class QuestionRows(NamedTuple):
    """Rows of a video on which a question is trained."""

    true: Integers
    """Shown at the support times, or in the middles of ranges (`infer.metrics.answer_times`,
    `index.spans.rows_shown_at`)."""
    negatives: Integers
    """All of the part that is asked about that do not show the answer, and the labelled ones."""
    near: Integers
    """Those that show the answer: near a support time, or during a range."""
    labelled: Integers
    """Shown at the question's `negative_frames`, but for true ones."""
    distance_s: float
    """Largest distance in seconds from a support time to its row's span."""


def rows_of(
    question: Question,
    time_s: Floats,
    guard_s: float,
    end_s: Floats | None = None,
    duration_s: float = float("inf"),
) -> QuestionRows:
    """Select the rows of a video on which a question is trained.

    Args:
        question: A question with a label.
        time_s: (F,) times of the rows, ascending.
        guard_s: Seconds around a support time during which no negative is shown, but for those
            that the question names. A support time past the end is taken for the end, as in mining.
        end_s: (F,) ends of their spans; None if the rows are all frames of the video.
        duration_s: Length of the video.
    """
    ends_s = until_next(time_s) if end_s is None else end_s
    moments_s = np.array(answer_times(question), np.float64)
    true = rows_shown_at(time_s, ends_s, moments_s)
    away_s = seconds_away(time_s, ends_s, moments_s)[np.arange(len(true)), true]
    near = shown_of(question, time_s, ends_s, duration_s, guard_s)  # (F,)
    near[true] = True
    labelled = np.setdiff1d(rows_shown_at(time_s, ends_s, question.negative_frames), true)
    negative = is_asked_about(time_s, ends_s, question.span_s) & ~near  # (F,)
    negative[labelled] = True
    return QuestionRows(
        true, np.flatnonzero(negative), np.flatnonzero(near), labelled, float(away_s.max())
    )


def print_distances(distances_s: dict[str, float], fps: float) -> None:
    """Print how far the support times are from the indexed frames, and which are too far."""
    far = [name for name, distance_s in distances_s.items() if distance_s > 1 / fps + 1e-6]
    mean_s = sum(distances_s.values()) / len(distances_s)
    say(
        f"support times are {mean_s:.3f} s from their cached frames on average, "
        f"{max(distances_s.values()):.3f} s at worst"
    )
    if far:
        named = ", ".join(far[:_NAMED]) + (" …" if len(far) > _NAMED else "")
        say(
            f"warning: {len(far)} questions ({named}) have a support time more than "
            f"{1 / fps:.3f} s (1/fps) from any cached frame"
        )
