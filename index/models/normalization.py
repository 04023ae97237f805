"""From uint8 pixels to the values that a model was trained on; computed on the device.

B: images of a batch, H, W: height and width of the model's input.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor


class Normalization:
    """Pixels (B, 3, H, W) uint8 to (pixels · factor − mean) / std, float32."""

    def __init__(self, factor: float, mean: Sequence[float], std: Sequence[float]) -> None:
        self.factor = factor
        self.mean, self.std = tuple(mean), tuple(std)
        self._mean = torch.tensor(mean).view(3, 1, 1)
        self._std = torch.tensor(std).view(3, 1, 1)

    def __call__(self, pixels: Tensor) -> Tensor:
        """Return the values for pixels on any device."""
        if self._mean.device != pixels.device:  # once, not a copy to the GPU for each batch
            self._mean, self._std = self._mean.to(pixels.device), self._std.to(pixels.device)
        return (pixels.float() * self.factor - self._mean) / self._std


def normalization_of(processor: dict[str, Any]) -> Normalization:
    """Return what `to_dict()` of a transformers image processor describes."""
    factor = float(processor["rescale_factor"]) if processor["do_rescale"] else 1.0
    if not processor["do_normalize"]:
        return Normalization(factor, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    return Normalization(factor, processor["image_mean"], processor["image_std"])
