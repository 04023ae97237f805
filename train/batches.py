"""From questions to micro-batches: the shard of each process in each step, and its tensors.

b: questions of a micro-batch, w: windows of their texts, N: negatives of a question, T: tiles of a
frame, L: tokens, H, W: height and width of the model's input.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import closing
from itertools import chain
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from accelerate import PartialState

from index.models.dual_model import DualModel
from index.models.long_texts import LongText, read_as
from index.models.preprocess import ImageTransform
from train.data import Example, PosNegDataset
from train.grad_cache import MicroBatch
from train.pictures.batches import Pictures, gather, in_background
from train.pictures.preparing import prepared
from train.pictures.store import Squares, folder_for

WINDOWS_EACH = 4
"""Windows for each question of a micro-batch, on average: of CLIP's text side they take less memory
than one picture takes of its vision side."""

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


class BatchLoader(Protocol):
    """A source of micro-batches."""

    def steps(self, epoch: int, shares: Sequence[Shard]) -> Generator[list[MicroBatch]]:
        """Yield the micro-batches of this process for each step, at least one per step.

        Close it where it is left early: a thread may gather pictures for it.
        """

    def unreadable(self) -> list[str]:
        """Return the pictures met so far that cannot be read."""


class TokenizedTexts:
    """The questions' texts as tokens, with ids that are equal for equal texts and equal videos."""

    def __init__(
        self, model: DualModel, examples: Sequence[Example], long_text: LongText = "windows"
    ) -> None:
        self._model = model
        captions = [one["caption"] for one in examples]
        read, too_long = read_as(captions, long_text, model)
        self._windows = [one.windows for one in read]
        texts = {text: n for n, text in enumerate(dict.fromkeys(captions))}
        videos = {
            video: n
            for n, video in enumerate(dict.fromkeys(one["content_hash"] for one in examples))
        }
        self.text_ids = torch.tensor([texts[text] for text in captions])  # (questions,)
        self.video_ids = torch.tensor([videos[one["content_hash"]] for one in examples])
        self.too_long = [one["id"] for one, long in zip(examples, too_long, strict=True) if long]

    def micro_batches(self, share: Shard, most: int) -> list[Shard]:
        """Divide a shard into micro-batches of `most` questions; without any, one is empty.

        Where texts are long, there are fewer of them in one: the windows of a micro-batch are at
        most `WINDOWS_EACH` times `most`, but for those of a single text. The gradient is the same.
        """
        batches: list[Shard] = [[]]
        room = WINDOWS_EACH * most
        for number in share:
            windows = len(self._windows[number])
            if batches[-1] and (len(batches[-1]) == most or windows > room):
                batches.append([])
                room = WINDOWS_EACH * most
            batches[-1].append(number)
            room -= windows
        return batches

    def part_of_batch(self, numbers: Shard, device: torch.device) -> dict[str, Any]:
        """Return the text fields of a MicroBatch of these questions; if none, one as padding."""
        read = [self._windows[number] for number in numbers] or [self._windows[0][:1]]
        tokens = self._model.tokens([*chain.from_iterable(read)])
        rows = torch.tensor(numbers or [0])
        return {
            "tokens": {key: ids.to(device) for key, ids in tokens.items()},  # (w, L)
            "windows": [len(own) for own in read],
            "video_ids": self.video_ids[rows].to(device),  # (b,)
            "text_ids": self.text_ids[rows].to(device),
        }


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
        self._texts = texts
        self._negatives = negatives
        self._batch_size = batch_size
        self._device = device
        files = self._dataset.files(negatives=negatives > 0)
        self._store, places = prepared(
            files,
            image_path,
            folder_for(pictures, transform),
            transform,
            workers=num_workers,
            state=state,
        )
        self._places = {file: place for file, place in zip(files, places, strict=True) if place}
        self._unreadable = [file for file in files if file not in self._places]

    def steps(self, epoch: int, shares: Sequence[Shard]) -> Generator[list[MicroBatch]]:
        """See `BatchLoader.steps`; a thread gathers the pictures ahead."""
        self._dataset.set_epoch(epoch)
        batches = [self._texts.micro_batches(share, self._batch_size) for share in shares]
        pictures = in_background(self._pictures, chain.from_iterable(batches))
        with closing(pictures):
            for step in batches:
                yield [self._micro_batch(numbers, next(pictures)) for numbers in step]

    def unreadable(self) -> list[str]:
        """See `BatchLoader.unreadable`; all of them are known before the first step."""
        return self._unreadable

    def _pictures(self, numbers: Shard) -> Pictures:
        pinned = self._device.type == "cuda"
        return gather(self._store, [self._drawn(number) for number in numbers], pinned=pinned)

    def _drawn(self, number: int) -> list[Squares]:
        """Return a question's frames of this epoch; in place of one that cannot be read, the next.

        Without a readable true frame there are none.
        """
        true, negatives = (
            [self._places[file] for file in files if file in self._places]
            for files in self._dataset.drawn(number)
        )
        return true[:1] + negatives[: self._negatives] if true else []

    def _micro_batch(self, numbers: Shard, pictures: Pictures) -> MicroBatch:
        counts = pictures.counts if numbers else torch.zeros(1, dtype=torch.int64)
        valid = torch.arange(1 + self._negatives) < counts[:, None]  # (b, 1+N)
        pixels = pictures.pixels
        if not valid.all():
            padded = pixels.new_zeros((valid.numel(), *pixels.shape[1:]))
            padded[valid.flatten()] = pixels
            pixels = padded
        on_device = pixels.to(self._device, non_blocking=True)
        return MicroBatch(
            **self._texts.part_of_batch(numbers, self._device),
            pixel_values=on_device.flatten(0, 1).permute(0, 3, 1, 2),  # (b·(1+N)·T, 3, H, W)
            valid=valid.to(self._device),
        )
