"""Differences between families of dual encoders; a new family needs an entry here.

A family without an entry is treated like CLIP. How a picture becomes the model's input does not
depend on the family: the model's own image processor defines it (`index.models.preprocess`).
"""

from typing import Literal, NamedTuple

from transformers import PreTrainedConfig


class Family(NamedTuple):
    """How the inputs of a family of models are prepared."""

    padding: Literal["longest", "max_length"]
    """Padding of texts, as in training: to the longest text of a batch, or all to one length."""


_FAMILIES = {
    "siglip": Family(padding="max_length"),  # SigLIP 2 as well
}
"""By prefix of the configuration's model_type."""
_CLIP = Family(padding="longest")


def family_of(config: PreTrainedConfig) -> Family:
    """The family of the model that a configuration describes."""
    found = (own for name, own in _FAMILIES.items() if config.model_type.startswith(name))
    return next(found, _CLIP)
