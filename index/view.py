"""How a wide frame becomes the model's square.

`exact` squares equal the model's own image processor (PIL backend) to the bit on uint8: the same
sizes, the same Pillow filter, the same crop. Normalising is left to the device.

H, W: sides of the square.
"""

from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from PIL import Image

from index.errors import CueframeError

Mode = Literal["center", "stretch", "pad"]
Resize = Literal["exact", "decoder"]
"""exact: by Pillow, as the model's processor; decoder: by the decoder's own scaler."""


@dataclass(frozen=True, kw_only=True)
class View:
    """Everything that decides the pixels of a square."""

    mode: Mode
    """center: shorter side to `shortest_edge`, then the middle; stretch: the whole frame, squeezed;
    pad: the whole frame in its proportions, the rest filled."""
    height: int
    width: int
    shortest_edge: int
    """Read by mode center alone."""
    resample: int
    """Pillow's number of the filter; 3 is bicubic."""
    fill: tuple[int, int, int]
    """RGB beside the frame, read by mode pad alone: the processor's mean, which normalises to 0."""

    def scaled(self, width: int, height: int) -> tuple[int, int]:
        """Width and height to which a frame is scaled before it is cropped or filled."""
        if self.mode == "stretch":
            return self.width, self.height
        if self.mode == "center":
            short, long = sorted((width, height))
            longer = int(self.shortest_edge * long / short)
            return (self.shortest_edge, longer) if width <= height else (longer, self.shortest_edge)
        factor = min(self.width / width, self.height / height)
        return max(1, round(width * factor)), max(1, round(height * factor))

    def square(self, image: Image.Image) -> npt.NDArray[np.uint8]:
        """The picture as the model sees it, (H, W, 3) uint8.

        A picture that has its `scaled` size, as the decoder's scaler gives it, stays as it is.
        """
        size = self.scaled(*image.size)
        if image.size != size:
            image = image.resize(size, resample=Image.Resampling(self.resample))
        left, top = (size[0] - self.width) // 2, (size[1] - self.height) // 2
        if self.mode == "pad":
            canvas = Image.new("RGB", (self.width, self.height), self.fill)
            canvas.paste(image, (-left, -top))
            image = canvas
        elif self.mode == "center":
            image = image.crop((left, top, left + self.width, top + self.height))
        return np.asarray(image)

    def as_dict(self) -> dict[str, Any]:
        """What a profile records."""
        return asdict(self)


def view_of(processor: dict[str, Any], mode: Mode | None) -> View:
    """The view that an image processor's effective values ask for, or another mode of its size.

    Args:
        processor: `to_dict()` of a transformers image processor.
        mode: None takes what the processor does.

    Raises:
        CueframeError: The processor does something that no mode describes.
    """
    size = processor.get("size") or {}
    crop = (processor.get("crop_size") or {}) if processor.get("do_center_crop") else {}
    edge: int | None = size.get("shortest_edge")
    height: int | None = crop.get("height") or size.get("height") or edge
    width: int | None = crop.get("width") or size.get("width") or edge
    own: Mode | None = None
    if processor.get("do_resize", True) and not processor.get("do_pad"):
        if edge and crop and edge >= max(crop.values()):
            own = "center"
        elif size.get("height") and size.get("width") and crop in ({}, size):
            own = "stretch"
    if not height or not width or (own is None and mode is None):
        raise CueframeError(
            f"the model's image processor scales to {size} and crops to {crop or 'nothing'}, which "
            "is none of Cueframe's views; name one with --view center, stretch or pad"
        )
    mean = processor.get("image_mean") or (0.5, 0.5, 0.5)
    fill = [round(255 * float(m)) for m in mean]
    return View(
        mode=mode or own or "center",
        height=height,
        width=width,
        shortest_edge=edge or max(height, width),
        resample=int(processor.get("resample", Image.Resampling.BICUBIC)),
        fill=(fill[0], fill[1], fill[2]),
    )
