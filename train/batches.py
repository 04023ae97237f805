"""From questions to micro-batches: who takes which question in which step, and what is in it.

b: questions of a micro-batch, B: of this process's share of a step, N: negatives of a question,
L: tokens, H, W: sides of the square, W: processes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from index.view import View
from train.data import Example, Item, PosNegDataset, custom_collate_fn
from train.step import MicroBatch

Share = list[int]
"""Numbers, in train_list, of the questions that one process has in one step."""


def epoch_order(questions: int, seed: int, epoch: int) -> list[int]:
    """All questions once, in the order of this epoch."""
    order: list[int] = np.random.default_rng([seed, epoch]).permutation(questions).tolist()
    return order


def own_shares(order: Sequence[int], step_size: int, rank: int, world_size: int) -> list[Share]:
    """What a process has in each step of an epoch.

    A step's questions are dealt out in turn, so shares differ by one question at most, no
    question comes twice, and the last step may be smaller, even empty for a process.
    """
    return [
        list(order[start : start + step_size][rank::world_size])
        for start in range(0, len(order), step_size)
    ]


class Source(Protocol):
    """Where the micro-batches come from."""

    def steps(self, epoch: int, shares: Sequence[Share]) -> Iterator[list[MicroBatch]]:
        """This process's micro-batches, at least one, of each step."""

    def unreadable(self) -> list[str]:
        """Pictures met so far that cannot be read."""


class Texts:
    """The questions' texts as tokens, and what tells equal texts and equal videos."""

    def __init__(
        self, tokenizer: Any, examples: Sequence[Example], max_tokens: int, *, to_full_length: bool
    ) -> None:
        self._tokenizer = tokenizer
        self._captions = [one["caption"] for one in examples]
        self._lengths = {
            "padding": "max_length" if to_full_length else "longest",
            "truncation": True,
            "max_length": max_tokens,
        }
        texts = {text: n for n, text in enumerate(dict.fromkeys(self._captions))}
        videos = {
            video: n
            for n, video in enumerate(dict.fromkeys(one["content_hash"] for one in examples))
        }
        self.text_ids = torch.tensor([texts[text] for text in self._captions])  # (questions,)
        self.video_ids = torch.tensor([videos[one["content_hash"]] for one in examples])
        ids = tokenizer(self._captions, verbose=False)["input_ids"]
        self.too_long = [
            one["id"] for one, tokens in zip(examples, ids, strict=True) if len(tokens) > max_tokens
        ]

    def part_of_batch(self, numbers: Share, device: torch.device) -> dict[str, Any]:
        """What a MicroBatch has of texts: of these questions, or of one that is padding."""
        texts = [self._captions[number] for number in numbers] or [self._captions[0]]
        tokens = self._tokenizer(texts, return_tensors="pt", verbose=False, **self._lengths)
        rows = torch.tensor(numbers or [0])
        attention = tokens.get("attention_mask")
        return {
            "input_ids": tokens["input_ids"].to(device),  # (b, L)
            "attention_mask": None if attention is None else attention.to(device),
            "video_ids": self.video_ids[rows].to(device),  # (b,)
            "text_ids": self.text_ids[rows].to(device),
        }


class MinedFrames:
    """Micro-batches of `batch_size` questions with pictures that train/mine.py wrote."""

    def __init__(
        self,
        examples: Sequence[Example],
        texts: Texts,
        view: View,
        *,
        batch_size: int,
        negatives: int,
        seed: int,
        num_workers: int,
        device: torch.device,
    ) -> None:
        self._dataset = PosNegDataset(examples, negatives, seed)
        self._texts = texts
        self._gather = partial(squares_of, view=view, frames=1 + negatives)
        self._batch_size = batch_size
        self._num_workers = num_workers
        self._device = device

    def steps(self, epoch: int, shares: Sequence[Share]) -> Iterator[list[MicroBatch]]:
        """As `Source.steps`; pictures are read ahead, in workers of their own."""
        self._dataset.set_epoch(epoch)
        batches = [
            [share[n : n + self._batch_size] for n in range(0, len(share), self._batch_size)]
            or [[]]
            for share in shares
        ]
        pictures = iter(
            DataLoader(
                self._dataset,
                batch_sampler=[numbers for step in batches for numbers in step],
                collate_fn=self._gather,
                num_workers=self._num_workers,
                pin_memory=self._device.type == "cuda",
                generator=torch.Generator(),  # its own, so that nothing is drawn from torch's
            )
        )
        for step in batches:
            yield [self._micro_batch(numbers, *next(pictures)) for numbers in step]

    def unreadable(self) -> list[str]:
        """As `Source.unreadable`."""
        return self._dataset.unreadable

    def _micro_batch(self, numbers: Share, squares: Tensor, valid: Tensor) -> MicroBatch:
        on_device = squares.to(self._device, non_blocking=True).flatten(0, 1)
        return MicroBatch(
            **self._texts.part_of_batch(numbers, self._device),
            pixel_values=on_device.permute(0, 3, 1, 2),  # (b·(1+N), 3, H, W)
            valid=valid.to(self._device),  # (b, 1+N)
        )


def squares_of(items: Sequence[Item], *, view: View, frames: int) -> tuple[Tensor, Tensor]:
    """Items as the model's squares, (b, 1+N, H, W, 3) uint8, and which are there, (b, 1+N) bool.

    A question without a true frame that can be read counts as padding, as does no item at all.
    """
    _, true, negatives = custom_collate_fn(items)
    squares = np.zeros((max(1, len(items)), frames, view.height, view.width, 3), np.uint8)
    valid = np.zeros(squares.shape[:2], np.bool_)
    for row, (first, others) in enumerate(zip(true, negatives, strict=True)):
        if first is None:
            continue
        for column, image in enumerate([first, *others]):
            squares[row, column] = view.square(image)
            valid[row, column] = True
    return torch.from_numpy(squares), torch.from_numpy(valid)
