"""The image transform of open_clip, whose rounding is torchvision's.

H, W: height and width of the model's input.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from PIL import Image

from index.errors import CueframeError
from index.models.normalization import Normalization
from index.models.preprocess import ImageTransform, ViewMode

_VIEWS: dict[str, ViewMode] = {"shortest": "center", "longest": "pad", "squash": "stretch"}
"""By the resize_mode of open_clip's preprocess configuration."""


@dataclass(frozen=True, kw_only=True)
class OpenClipTransform(ImageTransform):
    """Bit-identical to open_clip's transform for inference, in its own mode."""

    def scaled_size(self, width: int, height: int) -> tuple[int, int]:
        """Return the width and height to which a frame is scaled before cropping or padding."""
        square = self.height == self.width
        if self.mode == "pad" or (self.mode == "center" and not square):
            ratios = height / self.height, width / self.width
            ratio = max(ratios) if self.mode == "pad" else min(ratios)
            return max(1, round(width / ratio)), max(1, round(height / ratio))
        return super().scaled_size(width, height)

    def corner(self, width: int, height: int) -> tuple[int, int]:
        """Return the left and top of the crop; half a pixel goes to the even neighbour."""
        return _corner(width - self.width), _corner(height - self.height)


def _corner(surplus: int) -> int:
    return -(-surplus // 2) if surplus < 0 else round(surplus / 2)


def open_clip_transform(
    config: Mapping[str, Any], view: ViewMode | None
) -> tuple[OpenClipTransform, Normalization]:
    """Return what a preprocess configuration of open_clip describes, or another view of its size.

    Args:
        config: Size, mean, std, interpolation, resize_mode and fill_color.
        view: None for the configuration's own.

    Raises:
        CueframeError: The configuration has a value that open_clip does not know.
    """
    size, mean, std = config["size"], _three(config["mean"]), _three(config["std"])
    height, width = (size, size) if isinstance(size, int) else size
    own = _VIEWS.get(config["resize_mode"] or "shortest")
    filters = {None, "bicubic", "bilinear", "random"}  # random: bicubic, except in its training
    if own is None or config["interpolation"] not in filters or config["mode"] != "RGB":
        shown = {key: config[key] for key in ("resize_mode", "interpolation", "mode")}
        raise CueframeError(
            f"the preprocess_cfg in the model's open_clip_config.json is not known: {shown}; "
            "fetch or save the model again"
        )
    # open_clip ignores the filter where it crops to what is no square.
    ignored = own == "center" and height != width
    bilinear = config["interpolation"] == "bilinear" and not ignored
    border = (float(config["fill_color"]),) * 3
    if own != "pad":
        border = (255 * mean[0], 255 * mean[1], 255 * mean[2])
    transform = OpenClipTransform(
        mode=view or own,
        height=height,
        width=width,
        shortest_edge=max(height, width),
        resample=int(Image.Resampling.BILINEAR if bilinear else Image.Resampling.BICUBIC),
        fill=(round(border[0]), round(border[1]), round(border[2])),
    )
    return transform, Normalization(1 / 255, mean, std)


def _three(values: Any) -> tuple[float, float, float]:
    if isinstance(values, (int, float)):
        values = (values,) * 3
    red, green, blue = map(float, values)
    return red, green, blue
