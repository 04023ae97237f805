"""The losses by the number that `--loss_setting` takes; a new loss class needs only a line here.

This file imports no torch: the flag is made from it, and --help has to be quick.
"""

from typing import NamedTuple


class LossEntry(NamedTuple):
    """The class of a loss, and its text in --help."""

    class_name: str
    """Module and class; the class is a `train.losses.base.Loss`."""
    help: str


LOSSES = {
    1: LossEntry("train.losses.bce:PositiveNegativeBCE", "BCE of true frames and mined negatives"),
    2: LossEntry("train.losses.bce:PositiveBCE", "BCE of true frames alone"),
    3: LossEntry(
        "train.losses.contrastive:Contrastive", "CLIP's contrastive loss over the whole step"
    ),
    4: LossEntry("train.losses.sigmoid:Sigmoid", "SigLIP's sigmoid loss over the whole step"),
}
