"""A dual encoder (CLIP and similar models) that turns images and texts into unit vectors.

B: images of a batch, Q: texts, D: width of a vector, H, W: height and width of the model's input.
"""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
import xxhash
from transformers import PreTrainedModel

from index.errors import CueframeError
from index.finite import not_finite
from index.models.families import family_of
from index.models.model_loading import (
    Dtype,
    in_one_line,
    load_dual_encoder,
    load_image_processor,
    load_tokenizer,
    refuse_other_tokenizer,
)
from index.models.preprocess import ImageTransform, ViewMode, image_transform_of


class Encoder:
    """A loaded dual encoder. Make it with `load_encoder`."""

    def __init__(
        self,
        name: str,
        model: PreTrainedModel,
        tokenizer: Any,
        processor: dict[str, Any],
        transform: ImageTransform,
    ) -> None:
        self.name = name
        self.transform = transform
        self._model: Any = model
        self._tokenizer = tokenizer
        self._padding = family_of(model.config).padding
        self._rescale, mean, std = normalization_of(processor)
        self._mean, self._std = mean.to(model.device), std.to(model.device)

    @property
    def dtype(self) -> str:
        """Precision in which it computes."""
        return str(self._model.dtype).removeprefix("torch.")

    @cached_property
    def width(self) -> int:
        """D, found by encoding a black image; raises as `check_images`."""
        return self.check_images()

    def check_images(self) -> int:
        """Encode a black image, so that a model and image processor that do not fit are known.

        Returns:
            D.

        Raises:
            CueframeError: They do not fit.
        """
        with in_one_line(self.name, "--model"):
            black = np.zeros((1, self.transform.height, self.transform.width, 3), dtype=np.uint8)
            self._refuse_not_finite(vectors := self.images(black))
        return vectors.shape[1]

    def check_texts(self) -> None:
        """Encode two texts, so that a tokenizer or text tower that cannot is known at once.

        Raises:
            CueframeError: It cannot, or they are one text to it, as to a CLIP whose tokenizer ends
                texts with another token than config.json says.
        """
        with in_one_line(self.name, "--model"):
            vectors, _ = self.texts(["a", "a picture of two cats"])
            self._refuse_not_finite(torch.from_numpy(vectors))
        if (vectors[0] == vectors[1]).all():
            raise CueframeError(
                f"{self.name} gives different texts one vector; its tokenizer, or eos_token_id in "
                "its config.json, is another model's: fetch or save it again"
            )

    def _refuse_not_finite(self, vectors: torch.Tensor) -> None:
        if not vectors.isfinite().all():
            raise not_finite(self.name, self.dtype)

    @property
    def scale(self) -> float:
        """Factor on cosines before a softmax: the model's own, or CLIP's 100 if it has none."""
        learned = getattr(self._model, "logit_scale", None)
        return 100.0 if learned is None else float(learned.detach().exp())

    @property
    def max_tokens(self) -> int:
        """Number of tokens that the text tower reads; longer texts are truncated."""
        positions = int(self._model.config.text_config.max_position_embeddings)
        return min(positions, int(self._tokenizer.model_max_length))

    @torch.inference_mode()
    def images(self, images: npt.NDArray[np.uint8]) -> torch.Tensor:
        """Encode images (B, H, W, 3) uint8; return (B, D) float32 unit vectors on the device.

        On a GPU this only queues the work, so that the next batch can be filled meanwhile.
        """
        host = torch.from_numpy(images)
        if self._model.device.type == "cuda":
            host = host.pin_memory()
        pixels = host.to(self._model.device, non_blocking=True).permute(0, 3, 1, 2)
        pixels = (pixels.float() * self._rescale - self._mean) / self._std  # (B, 3, H, W)
        vectors = self._model.get_image_features(pixel_values=pixels.to(self._model.dtype))
        return F.normalize(vectors.pooler_output.float(), dim=-1)

    @torch.inference_mode()
    def texts(
        self, texts: Sequence[str], batch_size: int | None = None
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
        """Encode texts; equal texts are encoded once, texts of similar length share a batch.

        Args:
            texts: The texts.
            batch_size: Texts per batch. None: 256 on a GPU, and 32 on a CPU, where 256 texts of
                CLIP's size take 0.4 GB more and a fifth more time.

        Returns:
            (Q, D) float32 unit vectors, and (Q,) bool, True for texts longer than `max_tokens`.
        """
        size = batch_size or (256 if self._model.device.type == "cuda" else 32)
        unique = list(dict.fromkeys(texts))
        ids = self._tokenizer(unique, verbose=False)["input_ids"]
        lengths = np.array([len(i) for i in ids])
        order = np.argsort(lengths, kind="stable")
        parts = []
        for start in range(0, len(order), size):
            tokens = self._tokenizer(
                [unique[i] for i in order[start : start + size]],
                padding=self._padding,
                truncation=True,
                max_length=self.max_tokens,
                return_tensors="pt",
            ).to(self._model.device)
            vectors = self._model.get_text_features(**tokens).pooler_output.float()
            parts.append(F.normalize(vectors, dim=-1).cpu().numpy())
        back = np.empty(len(order), dtype=np.int64)
        back[order] = np.arange(len(order))
        place = {text: i for i, text in enumerate(unique)}
        rows = np.array([place[text] for text in texts])
        return np.concatenate(parts)[back[rows]], (lengths > self.max_tokens)[rows]


def load_encoder(
    name: str, *, dtype: Dtype = "auto", view: ViewMode | None = None, device: torch.device
) -> tuple[Encoder, str]:
    """Load a dual encoder by its folder or its name on the hub.

    Args:
        name: Folder or name.
        dtype: "auto" is float16 on a GPU (three more bits of mantissa than bfloat16) and float32
            on a CPU.
        view: How a wide frame becomes the model's input; None follows the model's processor.
        device: Device to compute on.

    Returns:
        The encoder and the fingerprint of its vision side.

    Raises:
        ModelError: The model is neither a folder nor available from the hub.
        CueframeError: It is not a dual encoder, cannot encode a text, or
            `index.models.model_loading` refuses it.
    """
    model: Any = load_dual_encoder(name)
    processor = load_image_processor(name, "--model").to_dict()
    tokenizer = load_tokenizer(name, "--model")
    refuse_other_tokenizer(tokenizer, model.config, name)
    if dtype == "auto":
        dtype = "float16" if device.type == "cuda" else "float32"
    with in_one_line(name, "--model"):
        transform = image_transform_of(processor, view)
        fingerprint = vision_fingerprint(model, processor, transform)
        model.to(device=device, dtype=getattr(torch, dtype))
        encoder = Encoder(name, model, tokenizer, processor, transform)
    encoder.check_texts()
    return encoder, fingerprint


def normalization_of(processor: dict[str, Any]) -> tuple[float, torch.Tensor, torch.Tensor]:
    """Return what turns pixels into the model's input: factor, then mean and deviation (3, 1, 1).

    Args:
        processor: `to_dict()` of a transformers image processor.
    """
    rescale = float(processor["rescale_factor"]) if processor["do_rescale"] else 1.0
    normalize = processor["do_normalize"]
    mean = processor["image_mean"] if normalize else (0.0, 0.0, 0.0)
    std = processor["image_std"] if normalize else (1.0, 1.0, 1.0)
    return rescale, torch.tensor(mean).view(3, 1, 1), torch.tensor(std).view(3, 1, 1)


def vision_fingerprint(
    model: PreTrainedModel, processor: dict[str, Any], transform: ImageTransform
) -> str:
    """Hash what determines image vectors: vision weights as float32 and effective preprocessing.

    The text side is left out, so tuning only the text tower of a model does not change it.
    """
    digest = xxhash.xxh3_128()
    for key, value in model.state_dict().items():
        if key.startswith(("text_", "logit_")) or not value.is_floating_point():
            continue
        digest.update(repr(tuple(value.shape)).encode())
        digest.update(value.float().contiguous().cpu().numpy())
    keys = ("do_rescale", "rescale_factor", "do_normalize", "image_mean", "image_std")
    values = [np.float32(processor[k]).tolist() for k in keys]
    digest.update(repr((values, sorted(transform.as_dict().items()))).encode())
    return digest.hexdigest()
