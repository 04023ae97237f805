"""From questions to micro-batches: the shard of each process in each step, and its tensors.

b: questions of a micro-batch, w: windows of their texts, N: negatives of a question, c: frames of
all of them (columns), f: distinct ones, T: tiles of a frame, L: tokens, H, W: height and width of
the model's input.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import closing
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
import xxhash
from accelerate import PartialState
from accelerate.utils import send_to_device
from torch import Tensor

from index.arrays import Integers
from index.models.dual_model import DualModel
from index.models.long_texts import LongText, read_as
from index.models.preprocess import ImageTransform
from train.data import PosNegDataset
from train.evidence import mined_evidence
from train.grad_cache import MicroBatch
from train.pictures.batches import gather
from train.pictures.preparing import prepared
from train.pictures.store import folder_for
from train.pictures.threads import in_threads
from train.split import Example

WINDOWS_EACH = 4
"""Windows for each question of a micro-batch, on average: of CLIP's text side they take less memory
than one picture takes of its vision side."""
_AHEAD = 2
"""Micro-batches that are made ready before they are asked for."""

_OF_WORDINGS = 1
"""Marks the stream of draws of wordings."""

Shard = list[int]
"""Positions in train_list of the questions that one process has in one step."""


def epoch_order(questions: int, seed: int, epoch: int) -> list[int]:
    """Return the positions of all questions, in the random order of this epoch."""
    order: list[int] = np.random.default_rng([seed, epoch]).permutation(questions).tolist()
    return order


def own_shards(order: Sequence[int], step_size: int, rank: int, world_size: int) -> list[Shard]:
    """Return the shard of a process in each step of an epoch.

    A step's questions are dealt out round-robin, so shards differ by one question at most, no
    question comes twice, and the last step may be smaller, even empty for a process.
    """
    return [
        list(order[start : start + step_size][rank::world_size])
        for start in range(0, len(order), step_size)
    ]


def equal_texts(wordings: Sequence[Sequence[str]]) -> list[int]:
    """Number questions by their texts: equal where they share a wording, or are joined by others.

    Args:
        wordings: Of each question its wordings, one at least.

    Returns:
        A number of each question, counted from 0 in the order of the questions.
    """
    first: dict[str, int] = {}  # by wording, a question that has it
    of = list(range(len(wordings)))  # a question of lower number with an equal text, or itself

    def root(number: int) -> int:
        while of[number] != number:
            of[number] = of[of[number]]
            number = of[number]
        return number

    for number, own in enumerate(wordings):
        for text in own:
            one, other = sorted((root(number), root(first.setdefault(text, number))))
            of[other] = one
    numbered: dict[int, int] = {}
    return [numbered.setdefault(root(number), len(numbered)) for number in range(len(wordings))]


class BatchLoader(Protocol):
    """A source of micro-batches."""

    def steps(self, epoch: int, shares: Sequence[Shard]) -> Generator[list[MicroBatch]]:
        """Yield the micro-batches of this process for each step, at least one per step.

        Close it where it is left early: a thread may gather pictures for it.
        """

    def unreadable(self) -> list[str]:
        """Return the pictures that cannot be read."""

    def fingerprint(self) -> str | None:
        """Digest what the pictures show, by which a resumed run is known; None without any."""


class TokenizedTexts:
    """The questions' texts as tokens, with ids that are equal for equal texts and equal videos.

    Of a question's wordings one is drawn in each epoch, all with equal chances. The draws depend
    on (seed, epoch, question) alone. The id of its text does not change with them: questions that
    share any wording, or are joined by others that do, have equal texts.
    """

    def __init__(
        self,
        model: DualModel,
        examples: Sequence[Example],
        long_text: LongText = "windows",
        seed: int = 42,
    ) -> None:
        self._model, self._seed = model, seed
        wordings = [[one["caption"], *one["paraphrases"]] for one in examples]
        distinct = list(dict.fromkeys(chain.from_iterable(wordings)))
        read, too_long = read_as(distinct, long_text, model)
        windows = {text: one.windows for text, one in zip(distinct, read, strict=True)}
        self._windows = [[windows[text] for text in own] for own in wordings]
        videos = {
            video: n
            for n, video in enumerate(dict.fromkeys(one["content_hash"] for one in examples))
        }
        self.text_ids = torch.tensor(equal_texts(wordings))  # (questions,)
        self.video_ids = torch.tensor([videos[one["content_hash"]] for one in examples])
        long = {text for text, is_long in zip(distinct, too_long, strict=True) if is_long}
        self.too_long = [
            one["id"]
            for one, own in zip(examples, wordings, strict=True)
            if not long.isdisjoint(own)
        ]

    def drawn(self, number: int, epoch: int) -> Sequence[str]:
        """Return the windows of the wording of a question that is drawn in an epoch."""
        own = self._windows[number]
        if len(own) == 1:
            return own[0]
        # A stream of its own: the frames are drawn with (seed, epoch, question).
        rng = np.random.default_rng([self._seed, epoch, number, _OF_WORDINGS])
        return own[rng.integers(len(own))]

    def micro_batches(self, share: Shard, most: int, epoch: int) -> list[Shard]:
        """Divide a shard into micro-batches of `most` questions; without any, one is empty.

        Where texts are long, there are fewer of them in one: the windows of a micro-batch are at
        most `WINDOWS_EACH` times `most`, but for those of a single text. The gradient is the same.
        """
        batches: list[Shard] = [[]]
        room = WINDOWS_EACH * most
        for number in share:
            windows = len(self.drawn(number, epoch))
            if batches[-1] and (len(batches[-1]) == most or windows > room):
                batches.append([])
                room = WINDOWS_EACH * most
            batches[-1].append(number)
            room -= windows
        return batches

    def part_of_batch(self, numbers: Shard, device: torch.device, epoch: int) -> dict[str, Any]:
        """Return the text fields of a MicroBatch of these questions; if none, one as padding."""
        read = [self.drawn(number, epoch) for number in numbers] or [self._windows[0][0][:1]]
        tokens = self._model.tokens([*chain.from_iterable(read)])
        rows = torch.tensor(numbers or [0])
        return {
            "tokens": {key: ids.to(device) for key, ids in tokens.items()},  # (w, L)
            "windows": [len(own) for own in read],
            "video_ids": self.video_ids[rows].to(device),  # (b,)
            "text_ids": self.text_ids[rows].to(device),
        }


def columns(counts: Integers) -> dict[str, Any]:
    """Lay the frames of questions out as columns: fields of `train.losses.pool.Columns`.

    Args:
        counts: (b,) frames of each question, of which the first is the true one; 0: it does not
            count. Where all are 0, there is one column, of a question that does not count.
    """
    owners = np.repeat(np.arange(len(counts)), counts)  # (c,)
    is_true = np.diff(owners, prepend=-1) > 0  # (c,)
    if not len(owners):
        owners, is_true = np.zeros(1, np.int64), np.zeros(1, np.bool_)
    fields = {"owners": owners, "is_true": is_true, "valid": counts > 0}
    return {name: torch.from_numpy(one) for name, one in fields.items()}


class MinedBatches:
    """Micro-batches of `batch_size` questions with pictures that train/mine.py wrote."""

    def __init__(
        self,
        examples: Sequence[Example],
        texts: TokenizedTexts,
        transform: ImageTransform,
        *,
        image_path: Path,
        pictures: Path,
        batch_size: int,
        negatives: int,
        guard_s: float = 0.5,
        seed: int,
        num_workers: int,
        device: torch.device,
        state: PartialState,
    ) -> None:
        """Prepare the pictures that are not prepared yet; every process calls this.

        Raises:
            CueframeError: As `train.pictures.preparing.prepared`.
        """
        self._dataset = PosNegDataset(examples, negatives, seed)
        self._frame_ids, evidence = mined_evidence(examples, self._dataset, texts.text_ids, guard_s)
        self._evidence = evidence.to(device)
        self._texts = texts
        self._negatives = negatives
        self._batch_size = batch_size
        self._device = device
        files = self._dataset.files if negatives else self._dataset.true_files
        self._store, places = prepared(
            files,
            image_path,
            folder_for(pictures, transform),
            transform,
            workers=num_workers,
            state=state,
        )
        self._squares = {file: place for file, place in zip(files, places, strict=True) if place}
        self._unreadable = [file for file in files if file not in self._squares]

    def steps(self, epoch: int, shares: Sequence[Shard]) -> Generator[list[MicroBatch]]:
        """See `BatchLoader.steps`; a thread makes the texts and pictures ready ahead."""
        self._dataset.set_epoch(epoch)
        batches = [self._texts.micro_batches(share, self._batch_size, epoch) for share in shares]
        work = partial(self._ready, epoch)
        ready = in_threads(work, chain.from_iterable(batches), threads=1, ahead=_AHEAD)
        with closing(ready):
            for step in batches:
                yield [self._micro_batch(*next(ready)) for _ in step]

    def unreadable(self) -> list[str]:
        """See `BatchLoader.unreadable`; all of them are known before the first step."""
        return self._unreadable

    def fingerprint(self) -> str:
        """See `BatchLoader.fingerprint`."""
        digest = xxhash.xxh3_128()
        for file in self._dataset.files:
            squares = self._squares.get(file)
            digest.update(f"{Path(file).name} {squares.check if squares else None}\n".encode())
        return digest.hexdigest()

    def _ready(self, epoch: int, numbers: Shard) -> tuple[dict[str, Any], Tensor]:
        """Return a micro-batch on the host: its fields but for the pixels, and those.

        The pixels are (f, T, H, W, 3) uint8, each distinct frame once.
        """
        drawn = [self._drawn(number) for number in numbers]
        files = [*chain.from_iterable(drawn)]
        frames = self._frame_ids[[self._dataset.number(file) for file in files]]  # (c,)
        first, places = np.unique(frames, return_index=True, return_inverse=True)[1:]
        squares = [self._squares[files[place]] for place in first]
        pixels = gather(self._store, squares, pinned=self._device.type == "cuda")
        if not len(frames):  # one, so that every process encodes something
            pixels = pixels.new_zeros((1, *pixels.shape[1:]))
            frames, places = np.array([-1]), np.array([0])
        fields = self._texts.part_of_batch(numbers, torch.device("cpu"), epoch)
        fields |= columns(np.array([len(own) for own in drawn] or [0], np.int64))
        fields |= {"frame_ids": torch.from_numpy(frames), "places": torch.from_numpy(places)}
        return fields, pixels

    def _drawn(self, number: int) -> list[str]:
        """Return a question's frames of this epoch; in place of one that cannot be read, the next.

        Without a readable true frame there are none.
        """
        true, negatives = (
            [file for file in files if file in self._squares]
            for files in self._dataset.drawn(number)
        )
        return true[:1] + negatives[: self._negatives] if true else []

    def _micro_batch(self, fields: dict[str, Any], pixels: Tensor) -> MicroBatch:
        on_device = pixels.to(self._device, non_blocking=True)  # (f, T, H, W, 3)
        return MicroBatch(
            **send_to_device(fields, self._device),
            pixel_values=on_device.flatten(0, 1).permute(0, 3, 1, 2),  # (f·T, 3, H, W)
            tiles=on_device.shape[1],
            evidence=self._evidence,
        )
