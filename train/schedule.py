"""The learning rate schedule."""

import math

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR


def factor(step: int, steps: int, warmup_steps: int) -> float:
    """Return the factor on the peak in step 0 … steps - 1: linear warm-up, then half a cosine to 0.

    The first step has 1 / (warmup_steps + 1), not 0, so that no step is wasted.
    """
    if step < warmup_steps:
        return (step + 1) / (warmup_steps + 1)
    return (1 + math.cos(math.pi * (step - warmup_steps) / max(1, steps - warmup_steps))) / 2


def warm_up_and_cosine(optimizer: Optimizer, steps: int, warmup_ratio: float) -> LambdaLR:
    """Return a plain scheduler, to be stepped once per optimizer step.

    Do not prepare it with Accelerate: it would step as often as there are processes.
    """
    warmup_steps = round(warmup_ratio * steps)
    return LambdaLR(optimizer, lambda step: factor(step, steps, warmup_steps))


def follow_length(scheduler: LambdaLR) -> None:
    """Set the learning rate of the next step anew; a checkpoint brings that of the length it had.

    Without another length it is the same to the bit.
    """
    laws = zip(scheduler.base_lrs, scheduler.lr_lambdas, strict=True)
    for group, (base, law) in zip(scheduler.optimizer.param_groups, laws, strict=True):
        group["lr"] = base * law(scheduler.last_epoch)
