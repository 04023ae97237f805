"""A strategy, a loss and a figure as somebody would add them; tests/test_registration.py does."""

import numpy as np
import torch
from torch import Tensor

from index.arrays import Floats, Integers
from index.spans import Spans
from infer.evaluation.draws import Draws
from infer.metrics import TimedQuestion
from train.losses.pool import Pool, cosines


def pick_first(time_s: Floats, k: int) -> Integers:
    """Take the K first frames. time_s (F,) -> rows (min(K, F),)."""
    return np.arange(min(k, len(time_s)), dtype=np.int64)


class Pull:
    """Pull each question to its true frame."""

    needs_pool = False
    bias = "none"

    def sum(
        self, pool: Pool, scale: Tensor, _bias: Tensor, _rank: int, _world_size: int
    ) -> tuple[Tensor, Tensor]:
        """As `train.losses.base.Loss.sum`."""
        loss = ((1 - cosines(pool)) * (pool.is_true & pool.there())).sum() + 0 * scale
        return loss, scale.new_zeros((), dtype=torch.int64)

    def initial_bias(self, _pool: Pool, _scale: float) -> float:
        """There is none."""
        return 0.0


def earliest_s(_timed: TimedQuestion, picked: Spans, _k: int) -> float:
    """The first pick, in seconds."""
    return float(picked.time_s[0])


def earliest_of_draws(timed: TimedQuestion, _draws: Draws) -> tuple[float, float]:
    """The same for random and oracle; made up."""
    return float(timed.time_s[-1]), float(timed.time_s[0])
