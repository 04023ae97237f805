"""The learning rate over a run."""

import math

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR


def factor(step: int, steps: int, warmup_steps: int) -> float:
    """What the peak is multiplied by in step 0 … steps - 1: a line up, then half a cosine to 0.

    The first step has 1 / (warmup_steps + 1), not 0, so that no step is wasted.
    """
    if step < warmup_steps:
        return (step + 1) / (warmup_steps + 1)
    return (1 + math.cos(math.pi * (step - warmup_steps) / max(1, steps - warmup_steps))) / 2


def warm_up_and_cosine(optimizer: Optimizer, steps: int, warmup_ratio: float) -> LambdaLR:
    """A plain scheduler, to be stepped once an optimizer step.

    Not to be prepared by Accelerate: it would step as often as there are processes.
    """
    warmup_steps = round(warmup_ratio * steps)
    return LambdaLR(optimizer, lambda step: factor(step, steps, warmup_steps))
