"""From questions to micro-batches: the shard of each process in each step, and its tensors.

b: questions of a micro-batch, w: windows of their texts, N: negatives of a question, T: tiles of a
frame, L: tokens, H, W: height and width of the model's input.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import closing
from functools import partial
from itertools import chain
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from index.models.dual_model import DualModel
from index.models.long_texts import LongText, read_as
from index.models.preprocess import ImageTransform
from index.models.tiling import tiles_of
from train.data import Example, Item, PosNegDataset, custom_collate_fn
from train.grad_cache import MicroBatch
from train.read_ahead import longest_wait_s, most_held, read_ahead
from train.shared_memory import refuse_small_room, room_bytes

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

        Close it where it is left early: workers may read pictures for it.
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
        batch_size: int,
        negatives: int,
        seed: int,
        num_workers: int,
        device: torch.device,
    ) -> None:
        self._dataset = PosNegDataset(examples, negatives, seed)
        self._texts = texts
        self._read = partial(_read, self._dataset, transform, 1 + negatives)
        self._batch_size = batch_size
        self._num_workers = num_workers
        self._device = device
        pictures = batch_size * (1 + negatives)
        self._limit_s = longest_wait_s(pictures)
        if num_workers:
            held = most_held(num_workers, -(-len(examples) // batch_size), device)
            tiles = 1
            if transform.mode == "tiles":
                tiles = max((tiles_of(*size) for size in self._dataset.sizes()), default=1)
            pixels = pictures * tiles * transform.height * transform.width * 3
            refuse_small_room(room_bytes([pixels, pictures], held))

    def steps(self, epoch: int, shares: Sequence[Shard]) -> Generator[list[MicroBatch]]:
        """See `BatchLoader.steps`; worker processes read the pictures ahead."""
        self._dataset.set_epoch(epoch)
        batches = [self._texts.micro_batches(share, self._batch_size) for share in shares]
        pictures = read_ahead(
            [numbers for step in batches for numbers in step],
            self._read,
            workers=self._num_workers,
            device=self._device,
            limit_s=self._limit_s,
        )
        with closing(pictures):
            for step in batches:
                yield [self._micro_batch(numbers, *next(pictures)) for numbers in step]

    def unreadable(self) -> list[str]:
        """See `BatchLoader.unreadable`."""
        return self._dataset.unreadable

    def _micro_batch(self, numbers: Shard, pixels: Tensor, valid: Tensor) -> MicroBatch:
        return MicroBatch(
            **self._texts.part_of_batch(numbers, self._device),
            pixel_values=pixels.flatten(0, 2).permute(0, 3, 1, 2),  # (b·(1+N)·T, 3, H, W)
            valid=valid,  # (b, 1+N)
        )


def _read(
    dataset: PosNegDataset, transform: ImageTransform, frames: int, numbers: Shard
) -> tuple[Tensor, Tensor]:
    """Read a batch; in a worker process, if there are any."""
    return pixels_of([dataset[number] for number in numbers], transform=transform, frames=frames)


def pixels_of(
    items: Sequence[Item], *, transform: ImageTransform, frames: int
) -> tuple[Tensor, Tensor]:
    """Return items as pixels (b, 1+N, T, H, W, 3) uint8, and which are valid, (b, 1+N) bool.

    A question without a readable true frame counts as padding; without items, b is 1, all padding.
    Pictures of fewer tiles than others repeat their last one.
    """
    _, true, negatives = custom_collate_fn(items)
    squares = {
        (row, column): transform.squares(image, transform.tiles_of(image))
        for row, (first, others) in enumerate(zip(true, negatives, strict=True))
        if first is not None
        for column, image in enumerate([first, *others])
    }
    tiles = max((len(own) for own in squares.values()), default=1)
    shape = (max(1, len(items)), frames, tiles, transform.height, transform.width, 3)
    pixels = np.zeros(shape, np.uint8)
    valid = np.zeros(pixels.shape[:2], np.bool_)
    for place, own in squares.items():
        pixels[place] = own[np.minimum(np.arange(tiles), len(own) - 1)]
        valid[place] = True
    return torch.from_numpy(pixels), torch.from_numpy(valid)
