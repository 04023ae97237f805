"""The interface between a loss and the training step.

A loss returns the *sum* over this process's pool. The caller divides by the *count* over all
processes, so that unequal numbers of negatives, padded questions and an incomplete last step are
exact; under DistributedDataParallel, which averages gradients, it also multiplies by W:

    loss = sum * W / count

All arithmetic is in float32 (float64 if the vectors are), whatever autocast says.

W: processes (world size), P: questions of all processes, N: negatives of a question.
"""

from __future__ import annotations

from pkgutil import resolve_name
from typing import Literal, Protocol

from torch import Tensor

from train.losses.pool import Pool
from train.losses.registry import LOSSES


class Loss(Protocol):
    """A loss; the docstring of its class defines it."""

    @property
    def counts(self) -> Literal["pairs", "questions"]:
        """Divisor of the sum: pairs of a question and a frame, or questions."""

    @property
    def needs_pool(self) -> bool:
        """True if a question is compared with the frames of others in its step."""

    @property
    def bias(self) -> Literal["learned", "fixed", "none"]:
        """Treatment of the logits' bias."""

    def sum(
        self, pool: Pool, scale: Tensor, bias: Tensor, rank: int, world_size: int, /
    ) -> tuple[Tensor, Tensor]:
        """Return the summed loss of this process's pool, (), and the number of masked pairs, ().

        If the loss needs the pool, all processes must call this at the same point.
        """

    def initial_bias(self, cosines: Tensor, valid: Tensor, scale: float, /) -> float:
        """Return the logits' bias before the first step, from the pairs of all processes.

        Args:
            cosines: (P, 1+N) as `train.losses.pool.cosines` gives them.
            valid: (P, 1+N) bool, as `Pool.pairs()` gives it.
            scale: Factor on the cosines.
        """


def load_loss(setting: int) -> Loss:
    """Return the loss of a number that `--loss_setting` takes."""
    loss: Loss = resolve_name(LOSSES[setting].class_name)()
    return loss
