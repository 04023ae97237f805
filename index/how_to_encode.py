"""The flags of index/build.py that say how videos are decoded and encoded."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from index.models.preprocess import Resize, ViewMode

if TYPE_CHECKING:  # torch
    from index.models.model_loading import Dtype


@dataclass(frozen=True, kw_only=True)
class HowToEncode:
    """None is a flag that was not given."""

    model: str | None
    fps: float | None
    resize: Resize | None
    view: ViewMode | None
    dtype: "Dtype"
    rebuild: bool
    decoder: str
    batch_frames: int
    workers: int | None
    time_limit_s: float | None
    max_pixels: int | None
