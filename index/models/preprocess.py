"""The image transform: how a wide frame becomes the model's input.

`exact` pixels are bit-identical to those of the model's own image processor (PIL backend) on uint8:
the same sizes, the same Pillow filter, the same crop. Normalisation is left to the device.

T: tiles of a frame, 1 unless the view is tiles, H, W: height and width of the model's input, equal
for most models.
"""

from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from PIL import Image

from index.errors import CueframeError
from index.models.patches import pack, whole_patches
from index.models.tiling import pixel_boxes, tiles_of

ViewMode = Literal["center", "stretch", "pad", "tiles", "native"]
Resize = Literal["exact", "decoder"]
"""exact: by Pillow, as the model's processor; decoder: by the decoder's own scaler."""
_LARGEST_SIDE = 8192
"""Pixels; the largest models in use take less than 2,000."""
_MOST_PIXELS = _LARGEST_SIDE**2


@dataclass(frozen=True, kw_only=True)
class ImageTransform:
    """Everything that determines the pixels of the model's input."""

    mode: ViewMode
    """center: shorter side to `shortest_edge`, then a center crop; stretch: the whole frame,
    squeezed; pad: the whole frame with its aspect ratio, the rest filled; tiles: squares that
    cover the frame (`index.models.tiling`), each as stretch makes it; native: the whole frame with
    its aspect ratio in patches, packed (`index.models.patches`)."""
    height: int
    width: int
    shortest_edge: int
    """Used by mode center only."""
    resample: int
    """Pillow's number of the resampling filter; 3 is bicubic."""
    fill: tuple[int, int, int]
    """RGB of the border, used by mode pad only: the processor's mean, which normalises to 0."""
    squeezed: tuple[int, int] | None = None
    """Width and height to which mode center squeezes a frame before its crop, as ALIGN does; None
    keeps the aspect ratio."""
    patch: int | None = None
    """Side of a patch in pixels, used by mode native only."""

    def scaled_size(self, width: int, height: int) -> tuple[int, int]:
        """Return the width and height to which a frame is scaled before cropping or padding."""
        if self.mode == "stretch":
            return self.width, self.height
        if self.mode == "tiles":
            tiles_of(width, height)  # before the decoder makes a picture without end
            factor = max(self.width, self.height) / min(width, height)
            return round(width * factor), round(height * factor)
        if self.mode == "native":
            assert self.patch is not None
            return whole_patches(width, height, patch=self.patch, most=self.height - 1)
        if self.mode == "center" and self.squeezed:
            return self.squeezed
        if self.mode == "center":
            short, long = sorted((width, height))
            longer = int(self.shortest_edge * long / short)
            return (self.shortest_edge, longer) if width <= height else (longer, self.shortest_edge)
        factor = min(self.width / width, self.height / height)
        return max(1, round(width * factor)), max(1, round(height * factor))

    def tiles_of(self, image: Image.Image) -> int:
        """Return the T of a frame; raises as `index.models.tiling.tiles_of`."""
        return tiles_of(*image.size) if self.mode == "tiles" else 1

    def squares(
        self, image: Image.Image, tiles: int, *, scaled: bool = False
    ) -> npt.NDArray[np.uint8]:
        """Return a frame as the model's inputs, (T, H, W, 3) uint8.

        Args:
            image: The frame.
            tiles: T.
            scaled: Whether it has its `scaled_size` already, from the decoder's scaler.
        """
        if self.mode != "tiles":
            return self.apply(image, scaled=scaled)[None]
        return np.stack([self.apply(image.crop(box)) for box in pixel_boxes(*image.size, tiles)])

    def corner(self, width: int, height: int) -> tuple[int, int]:
        """Return the left and top of the crop from a scaled picture; below 0 it is a border."""
        return (width - self.width) // 2, (height - self.height) // 2

    def apply(self, image: Image.Image, *, scaled: bool = False) -> npt.NDArray[np.uint8]:
        """Return a picture, or one tile of a frame, as the model's input, (H, W, 3) uint8.

        A picture that already has its `scaled_size`, as from the decoder's scaler, is not resized.
        That of patches does not tell by its size: `scaled` says it.
        """
        size = (self.width, self.height) if self.mode == "tiles" else self.scaled_size(*image.size)
        if self.mode == "native" and scaled:
            size = image.size
        if image.size != size:
            image = image.resize(size, resample=Image.Resampling(self.resample))
        if self.mode == "native":
            assert self.patch is not None
            return pack(np.asarray(image), patch=self.patch, most=self.height - 1)
        left, top = self.corner(*size)
        if self.mode == "pad":
            canvas = Image.new("RGB", (self.width, self.height), self.fill)
            canvas.paste(image, (-left, -top))
            image = canvas
        elif self.mode == "center":
            image = image.crop((left, top, left + self.width, top + self.height))
        return np.asarray(image)

    def as_dict(self) -> dict[str, Any]:
        """Return the fields by name, for the fingerprint; those that later versions added, if set.

        So the fingerprint of a model that does not need them is the same as it was.
        """
        later = ("squeezed", "patch")
        return {key: v for key, v in asdict(self).items() if key not in later or v is not None}


def image_transform_of(processor: dict[str, Any], mode: ViewMode | None) -> ImageTransform:
    """Return the image transform that a processor's values describe, or another mode of its size.

    Args:
        processor: `to_dict()` of a transformers image processor.
        mode: None for the processor's own.

    Raises:
        CueframeError: The processor does something that no mode describes, or is of a model that
            takes another mode.
    """
    if processor.get("max_num_patches"):
        return _native(processor, mode)
    if mode == "native":
        raise CueframeError(
            "--view native is for models that take each frame in its own proportions, as SigLIP 2 "
            "NaFlex does; choose center, stretch or pad, or leave --view out"
        )
    size = processor.get("size") or {}
    crop = (processor.get("crop_size") or {}) if processor.get("do_center_crop") else {}
    edge: int | None = size.get("shortest_edge")
    height: int | None = crop.get("height") or size.get("height") or edge
    width: int | None = crop.get("width") or size.get("width") or edge
    own: ViewMode | None = None
    squeezed: tuple[int, int] | None = None
    if processor.get("do_resize", True) and not processor.get("do_pad"):
        if edge and crop and edge >= max(crop.values()):
            own = "center"
        elif size.get("height") and size.get("width"):
            if crop in ({}, size):
                own = "stretch"
            elif crop["height"] <= size["height"] and crop["width"] <= size["width"]:
                own, squeezed = "center", (size["width"], size["height"])
    if not height or not width or (own is None and mode is None):
        raise CueframeError(
            f"the model's image processor scales to {size} and crops to {crop or 'nothing'}, which "
            "is none of Cueframe's views; name one with --view center, stretch, pad or tiles"
        )
    largest = max(height, width, edge or 0)
    if largest > _LARGEST_SIDE:
        raise CueframeError(
            f"the model's image processor scales to a side of {largest}, more than "
            f"{_LARGEST_SIDE} pixels; fetch or save the model again"
        )
    mean = processor.get("image_mean") or (0.5, 0.5, 0.5)
    fill = [round(255 * float(m)) for m in mean]
    view = mode or own or "center"
    return ImageTransform(
        mode=view,
        height=height,
        width=width,
        shortest_edge=edge or max(height, width),
        resample=int(processor.get("resample", Image.Resampling.BICUBIC)),
        fill=(fill[0], fill[1], fill[2]),
        squeezed=squeezed if view == "center" else None,
    )


def _native(processor: dict[str, Any], mode: ViewMode | None) -> ImageTransform:
    """Return the transform of a processor that cuts a picture to patches."""
    patch, most = int(processor["patch_size"]), int(processor["max_num_patches"])
    if mode not in (None, "native"):
        raise CueframeError(
            f"--view {mode} is not for this model, which takes each frame whole and in its own "
            f"proportions, as {most} patches at most; leave --view out"
        )
    if not processor.get("do_resize", True) or patch < 2 or not 0 < most * patch**2 <= _MOST_PIXELS:
        raise CueframeError(
            f"the model's image processor cuts pictures to {most} patches of {patch} pixels, "
            f"{'resized' if processor.get('do_resize', True) else 'not resized'}, which Cueframe "
            "cannot follow; name another model with --model"
        )
    return ImageTransform(
        mode="native",
        height=1 + most,
        width=patch * patch,
        shortest_edge=0,
        resample=int(processor.get("resample", Image.Resampling.BILINEAR)),
        fill=(0, 0, 0),
        patch=patch,
    )
