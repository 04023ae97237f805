"""What Cueframe needs of a dual encoder, whichever library it is from.

B: images or texts of a batch, L: tokens, D: width of a vector, H, W: height and width of the
model's input.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from PIL import Image
from torch import Tensor, nn

from index.models.preprocess import ImageTransform

Tokens = dict[str, Tensor]
"""Texts as the text side reads them; every tensor begins with (B, L)."""
Side = Literal["vision", "text", "logits", "unused"]
"""Part of the model that a weight belongs to; logits: their scale, bias or temperature; unused:
neither vector needs it."""


class DualModel(ABC):
    """A dual encoder with what prepares its inputs; vectors are as the model gives them.

    Its weights are float32 on the CPU when it is loaded; `module.to` moves them.
    """

    name: str
    """Folder, or name on a hub."""
    module: nn.Module
    """All weights."""
    transform: ImageTransform
    """From a frame to pixels, in the decoding processes."""
    own_transform: ImageTransform | None
    """The same as the model's own processor does it, whatever view was chosen; None if that is none
    of our views."""
    max_tokens: int
    """Number of tokens that the text side reads; longer texts are truncated."""
    library: str = "transformers"
    """The library that knows the model, by the hub's name for it."""
    has_vision: bool = True
    """False for a text tower alone, for indexes that another model's vision side built."""

    @abstractmethod
    def image_vectors(self, pixels: Tensor) -> Tensor:
        """Encode pixels (B, 3, H, W) uint8 on the model's device; return (B, D)."""

    @abstractmethod
    def text_vectors(self, tokens: Tokens) -> Tensor:
        """Encode tokens on the model's device; return (B, D)."""

    @abstractmethod
    def tokens(self, texts: Sequence[str]) -> Tokens:
        """Return texts as tokens on the CPU, truncated to `max_tokens` and padded."""

    @abstractmethod
    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Return (B,) how many tokens each text has, neither truncated nor padded."""

    def plain_texts(self, texts: Sequence[str]) -> list[str]:
        """Return texts in which no word is a control token, which would end or mask the text."""
        return list(texts)

    def text_sides(self) -> "tuple[DualModel, ...]":
        """Return what reads texts that are asked, itself first; more than one where it routes.

        In training it reads all texts by itself.
        """
        return (self,)

    def side_of_texts(self, texts: Sequence[str]) -> list[int]:
        """Return (B,) which of `text_sides` reads each text, by its number."""
        return [0] * len(texts)

    @property
    def unknown_token(self) -> int | None:
        """The token of pieces that the tokenizer does not know; None if it knows every byte."""
        return None

    @abstractmethod
    def side_of(self, weight: str) -> Side:
        """Say where a weight of `module.state_dict()` belongs, by its name."""

    @abstractmethod
    def is_projection(self, weight: str) -> bool:
        """Say whether a weight is one of the projections onto the common space."""

    @abstractmethod
    def preprocessing(self) -> Any:
        """Return what is done with pixels besides `transform`, for the fingerprint."""

    @abstractmethod
    def configuration(self) -> Any:
        """Return what besides the weights decides the vectors; `repr` shows whether it changed."""

    @abstractmethod
    def own_image_vectors(self, images: Sequence[Image.Image]) -> Tensor:
        """Encode RGB pictures by the library's own preparation and forward pass; return (B, D)."""

    @abstractmethod
    def own_text_vectors(self, texts: Sequence[str]) -> Tensor:
        """Encode texts by the library's own preparation and forward pass; return (B, D)."""

    @abstractmethod
    def ready_to_save(self) -> None:
        """Load what `save` needs besides the weights, so that it fails before the work if at all.

        Raises:
            ModelError, CueframeError: It cannot be loaded.
        """

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write the model into a folder from which it can be loaded again."""

    @abstractmethod
    def keep_no_activations(self) -> None:
        """Keep no activations inside a layer; they are recomputed in the backward pass."""

    @property
    @abstractmethod
    def log_scale(self) -> nn.Parameter | None:
        """Logarithm of the factor on cosines before a softmax; None if it has none to train."""

    def set_log_scale(self, value: float) -> None:
        """Write the logarithm of the scale into the model; call it without gradient."""
        if self.log_scale is not None:
            self.log_scale.fill_(value)

    @property
    def scale(self) -> float:
        """Factor on cosines before a softmax: the model's own, or CLIP's 100 if it has none."""
        return 100.0 if self.log_scale is None else float(self.log_scale.detach().exp())

    @property
    def highest_scale(self) -> float:
        """Scale above which training does not let it grow: 100, as CLIP was trained.

        SigLIP, which has a bias, was trained without such a bound.
        """
        return 100.0 if self.bias is None else math.inf

    @property
    def bias(self) -> nn.Parameter | None:
        """What is added to the scaled cosines, if the model has it."""
        return None

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.module.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        """Precision of the weights."""
        return next(self.module.parameters()).dtype
