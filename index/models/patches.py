"""Pictures as patches, for models that take each in its own proportions (SigLIP 2 NaFlex).

A picture is scaled to whole patches, as many as the model reads at most, and packed into an array
of one shape whatever its proportions:

    (1 + N, P·P, 3) uint8    N: the most patches, P: a patch's side in pixels

The first row says how many rows and columns of patches there are; a patch is a row, its pixels row
by row; the rest is 0. So it travels like any other picture (`index.models.preprocess`), and
`index.models.normalization` unpacks it on the device. No torch: this runs in decoding processes.
"""

import math

import numpy as np
import numpy.typing as npt

_CLOSE = 1e-5
"""How closely the scale is found, as in the model's own image processor: the size depends on it."""


def whole_patches(width: int, height: int, *, patch: int, most: int) -> tuple[int, int]:
    """Return the width and height, in whole patches of pixels, to which a picture is scaled.

    It is the largest size of nearly the same proportions that has at most `most` patches; found by
    bisection on the scale between 1e-6 and 100, as SigLIP 2's own image processor finds it.
    """

    def patches(side: int, scale: float) -> int:
        return max(1, math.ceil(side * scale / patch))

    low, high = _CLOSE / 10, 100.0
    while high - low >= _CLOSE:
        scale = (low + high) / 2
        if patches(width, scale) * patches(height, scale) <= most:
            low = scale
        else:
            high = scale
    return patches(width, low) * patch, patches(height, low) * patch


def pack(pixels: npt.NDArray[np.uint8], *, patch: int, most: int) -> npt.NDArray[np.uint8]:
    """Cut pixels (rows·P, columns·P, 3) to patches, packed as (1 + N, P·P, 3)."""
    rows, columns = pixels.shape[0] // patch, pixels.shape[1] // patch
    packed = np.zeros((1 + most, patch * patch, 3), np.uint8)
    packed[0, 0, :2] = divmod(rows, 256)
    packed[0, 1, :2] = divmod(columns, 256)
    cut = pixels.reshape(rows, patch, columns, patch, 3).swapaxes(1, 2)
    packed[1 : 1 + rows * columns] = cut.reshape(rows * columns, patch * patch, 3)
    return packed
