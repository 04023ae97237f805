"""The interface between a loss and the training step.

A loss returns the *sum* over this process's questions. The caller divides by the number of
*questions* of all processes, so that unequal shares and an incomplete last step are exact; under
DistributedDataParallel, which averages gradients, it also multiplies by W:

    loss = sum * W / questions

All arithmetic is in float32 (float64 if the vectors are), whatever autocast says.

W: processes (world size).
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
    def needs_pool(self) -> bool:
        """True if a question is compared with the frames of others in its step."""

    @property
    def bias(self) -> Literal["learned", "own", "fixed", "none"]:
        """Treatment of the logits' bias; own: learned, from the model's own where it has one."""

    def sum(
        self, pool: Pool, scale: Tensor, bias: Tensor, rank: int, world_size: int, /
    ) -> tuple[Tensor, Tensor]:
        """Return the summed loss of this process's pool, (), and the number of masked pairs, ().

        If the loss needs the pool, all processes must call this at the same point.
        """

    def initial_bias(self, pool: Pool, scale: float, /) -> float:
        """Return the logits' bias before the first step.

        Args:
            pool: Questions of all processes, of which one counts at least.
            scale: Factor on the cosines.
        """


def load_loss(setting: int) -> Loss:
    """Return the loss of a number that `--loss_setting` takes."""
    loss: Loss = resolve_name(LOSSES[setting].class_name)()
    return loss
