"""From uint8 pixels to the values that a model was trained on; computed on the device.

B: images of a batch, H, W: height and width of the model's input, N: patches of a picture at most,
P: a patch's side in pixels.
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
    """Return what `to_dict()` of a transformers image processor describes.

    EfficientNet's processor, which ALIGN has, may subtract 1 after rescaling (`rescale_offset`),
    and divide by the deviation once more at the end (`include_top`).
    """
    factor = float(processor["rescale_factor"]) if processor["do_rescale"] else 1.0
    mean, std = [0.0] * 3, [1.0] * 3
    if processor["do_normalize"]:
        mean, std = processor["image_mean"], processor["image_std"]
    if processor["do_rescale"] and processor.get("rescale_offset"):
        mean = [m + 1 for m in mean]
    if processor.get("include_top"):
        std = [one * more for one, more in zip(std, processor["image_std"], strict=True)]
    return Normalization(factor, mean, std)


def patch_inputs(packed: Tensor, normalize: Normalization) -> dict[str, Tensor]:
    """Unpack pictures of `index.models.patches`, as the inputs of a model that reads patches.

    Args:
        packed: (B, 3, 1 + N, P·P) uint8. Rows of zeros, which are no picture, count as one patch.
        normalize: Applied to the pixels of patches.

    Returns:
        pixel_values (B, N, P·P·3) float32, 0 where there is no patch; pixel_attention_mask (B, N)
        and spatial_shapes (B, 2), rows and columns of patches, int64.
    """
    head = packed[:, :2, 0, :2].long()  # (B, 2, 2): high and low byte of rows, of columns
    shapes = (head[:, 0] * 256 + head[:, 1]).clamp(min=1)  # (B, 2)
    number = torch.arange(packed.shape[2] - 1, device=packed.device)  # (N,)
    mask = number < shapes.prod(dim=1, keepdim=True)  # (B, N)
    values = normalize(packed[:, :, 1:]).permute(0, 2, 3, 1).flatten(2)  # (B, N, P·P·3)
    return {
        "pixel_values": values * mask.unsqueeze(-1),
        "pixel_attention_mask": mask.long(),
        "spatial_shapes": shapes,
    }
