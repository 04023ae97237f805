"""The judge, a vision model that compares picked frames with true ones: `sim_m` in bulk.

Each distinct image passes the judge once, however many questions it belongs to; images are released
as soon as they are scaled to the judge's input.

Legend: U distinct images, N images, D width of a vector, T thresholds, H, W: sides of the input.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
import xxhash
from PIL import Image
from transformers import AutoModel

from index.errors import CueframeError
from index.finite import not_finite
from index.models.model_loading import (
    in_one_line,
    load_config,
    load_image_processor,
    load_weights,
)

SIM_THRESHOLDS = (0.95, 0.96, 0.97, 0.98, 0.99)
"""Thresholds m of `sim_m`, those of the original scripts."""

Frames = Sequence[Image.Image]
Vectors = npt.NDArray[np.float32]


@dataclass
class Judge:
    """A vision transformer with a CLS vector, and its image processor."""

    model: Any
    processor: Any
    passes: int = 0
    """Number of images that have passed the model."""


def load_judge(
    name: str = "facebook/dinov2-large",
    *,
    device: torch.device,
    dtype: Literal["float32", "bfloat16", "float16"] = "float32",
) -> Judge:
    """Load a judge by its folder or its name on the hub.

    Any vision model works that `AutoModel` loads and whose `last_hidden_state[:, 0]` is a CLS
    vector. By default it computes in float32 on every device: a verdict at a threshold should not
    depend on the machine.

    Raises:
        ModelError: The model is not available.
        CueframeError: It has no CLS vector, or `index.models.model_loading` refuses it.
    """
    load_config(name, "--judge")
    processor = load_image_processor(name, "--judge")
    model: Any = load_weights(
        AutoModel, name, "--judge", dtype=getattr(torch, dtype), may_lack=("pooler.",)
    )
    with in_one_line(name, "--judge"):
        judge = Judge(model.to(device), processor)
        has_cls = _has_cls(judge)
    if has_cls:
        judge_vectors([Image.new("RGB", (64, 64))], judge)
        judge.passes = 0
    if not has_cls:
        raise CueframeError(
            f"the judge {name} is a {model.config.model_type} model without a CLS vector of an "
            "image; give --judge a vision transformer such as facebook/dinov2-large"
        )
    return judge


def _has_cls(judge: Judge) -> bool:
    """Return whether it has a learned class token and turns an image alone into a sequence."""
    names = (name.rpartition(".")[2] for name, _ in judge.model.named_parameters())
    if not {"cls_token", "class_embedding"} & set(names):
        return False
    try:
        pixels = _pixels(judge, Image.new("RGB", (64, 64)))[None]
        return _hidden(judge, pixels).ndim == 3
    except (AttributeError, TypeError, ValueError):  # CLIP, for example, needs a text as well
        return False


def _pixels(judge: Judge, image: Image.Image) -> torch.Tensor:
    """Return the model's input (3, H, W) for an RGB image."""
    pixels: torch.Tensor = judge.processor(images=image, return_tensors="pt")["pixel_values"][0]
    return pixels


@torch.inference_mode()
def _hidden(judge: Judge, pixels: torch.Tensor) -> torch.Tensor:
    """Return the last hidden state (U, tokens, D) of pixels (U, 3, H, W)."""
    pixels = pixels.to(device=judge.model.device, dtype=judge.model.dtype)
    hidden: torch.Tensor = judge.model(pixel_values=pixels).last_hidden_state
    return hidden


def judge_vectors(
    images: Iterable[Image.Image], judge: Judge, *, batch_images: int = 32
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """Encode images; those of equal size and pixels are encoded once.

    Args:
        images: Read one by one; at most `batch_images` are held, as the judge's input.
        judge: The judge; its `passes` counts them.
        batch_images: Number of images per batch.

    Returns:
        (U, D) float32 unit CLS vectors of the distinct images, and (N,) each image's row in them.

    Raises:
        CueframeError: A vector is not finite.
    """
    row_of: dict[tuple[tuple[int, int], bytes], int] = {}
    rows: list[int] = []
    waiting: list[torch.Tensor] = []
    parts: list[npt.NDArray[np.float32]] = []

    def encode() -> None:
        cls = _hidden(judge, torch.stack(waiting))[:, 0].float()  # (B, D)
        parts.append(F.normalize(cls, dim=-1).cpu().numpy())
        if not np.isfinite(parts[-1]).all():
            name, dtype = judge.model.name_or_path, str(judge.model.dtype)
            raise not_finite(f"the judge {name}", dtype, "fetch it again, or name another --judge")
        judge.passes += len(waiting)
        waiting.clear()

    for image in images:
        rgb = image.convert("RGB")
        key = (rgb.size, xxhash.xxh3_128_digest(rgb.tobytes()))
        if key not in row_of:
            row_of[key] = len(row_of)
            waiting.append(_pixels(judge, rgb))
        rows.append(row_of[key])
        if len(waiting) == batch_images:
            encode()
    if waiting:
        encode()
    return np.concatenate(parts or [np.zeros((0, 0), np.float32)]), np.array(rows, np.int64)


def sim_m_many(
    questions: Iterable[tuple[Frames, Frames]],
    judge: Judge,
    thresholds: Sequence[float] = SIM_THRESHOLDS,
    *,
    batch_images: int = 32,
) -> npt.NDArray[np.int64]:
    """Compute `infer.metrics.sim_m` of many questions, judging each distinct image once.

    Args:
        questions: (picked frames, true frames) of each, at least one true frame; read one by one,
            so that an iterator that decodes as it goes holds one question's frames at a time.
        judge: From `load_judge`.
        thresholds: (T,) least cosines of frames that are alike.
        batch_images: As `judge_vectors`.

    Returns:
        (questions, T) 1 where every true frame has a picked frame like it, else 0.

    Raises:
        ValueError: A question has no true frame.
    """
    counts: list[tuple[int, int]] = []

    def stream() -> Iterator[Image.Image]:
        for picked, true in questions:
            if not true:
                raise ValueError(f"question {len(counts)} has no true frame to be matched")
            counts.append((len(picked), len(true)))
            yield from picked
            yield from true

    vectors, rows = judge_vectors(stream(), judge, batch_images=batch_images)
    passed = np.zeros((len(counts), len(thresholds)), np.int64)
    start = 0
    for question, (picks, trues) in enumerate(counts):
        picked, true = np.split(rows[start : start + picks + trues], [picks])
        start += picks + trues
        if picks:
            weakest = weakest_match(vectors[true], vectors[picked])
            passed[question] = weakest >= np.array(thresholds)
    return passed


def weakest_match(true: Vectors, picked: Vectors) -> float:
    """Return the least cosine of any true frame (E, D) with its best pick (P, D); E, P ≥ 1."""
    return float((true @ picked.T).max(axis=1).min())
