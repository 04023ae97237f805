"""A dual encoder of the library transformers, and what prepares its inputs.

B: images or texts of a batch, D: width of a vector, H, W: height and width of the model's input.
"""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image
from torch import Tensor, nn
from transformers import PreTrainedModel

from index.errors import CueframeError
from index.models.dual_model import DualModel, Side, Tokens
from index.models.families import family_of
from index.models.model_loading import (
    in_one_line,
    load_dual_encoder,
    load_image_processor,
    load_processor,
    load_tokenizer,
    refuse_other_tokenizer,
)
from index.models.normalization import normalization_of
from index.models.preprocess import ViewMode, image_transform_of

_PIXEL_VALUES = ("do_rescale", "rescale_factor", "do_normalize", "image_mean", "image_std")


class TransformersModel(DualModel):
    """A model with `get_image_features` and `get_text_features`."""

    def __init__(
        self,
        name: str,
        model: PreTrainedModel,
        tokenizer: Any,
        image_processor: Any,
        view: ViewMode | None,
    ) -> None:
        """Take a model and its processor's parts; `view` None follows the image processor."""
        self.name = name
        self.module: Any = model
        self.tokenizer = tokenizer
        self.image_processor = image_processor
        self._processor: Any = None
        self._values = image_processor.to_dict()
        self._normalize = normalization_of(self._values)
        self._family = family_of(model.config)
        self.transform = image_transform_of(self._values, view)
        self.own_transform = None
        with suppress(CueframeError):
            self.own_transform = image_transform_of(self._values, None)
        positions = int(self.module.config.text_config.max_position_embeddings)
        self.max_tokens = min(positions, int(tokenizer.model_max_length))

    def image_vectors(self, pixels: Tensor) -> Tensor:
        """See `DualModel`."""
        values = self._normalize(pixels).to(self.module.dtype)  # (B, 3, H, W)
        vectors: Tensor = self.module.get_image_features(pixel_values=values).pooler_output
        return vectors

    def text_vectors(self, tokens: Tokens) -> Tensor:
        """See `DualModel`."""
        vectors: Tensor = self.module.get_text_features(**tokens).pooler_output
        return vectors

    def tokens(self, texts: Sequence[str]) -> Tokens:
        """See `DualModel`."""
        return dict(
            self.tokenizer(
                list(texts),
                padding=self._family.padding,
                truncation=True,
                max_length=self.max_tokens,
                return_tensors="pt",
                verbose=False,
            )
        )

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """See `DualModel`."""
        return [len(ids) for ids in self.tokenizer(list(texts), verbose=False)["input_ids"]]

    def side_of(self, weight: str) -> Side:
        """See `DualModel`."""
        if weight.startswith("logit_"):
            return "logits"
        return "text" if weight.startswith("text_") else "vision"

    def is_projection(self, weight: str) -> bool:
        """See `DualModel`."""
        return weight.startswith(("visual_projection", "text_projection"))

    def preprocessing(self) -> Any:
        """See `DualModel`."""
        return [np.float32(self._values[key]).tolist() for key in _PIXEL_VALUES]

    def own_image_vectors(self, images: Sequence[Image.Image]) -> Tensor:
        """See `DualModel`."""
        inputs = self._own_part("image_processor")(images=list(images), return_tensors="pt")
        vectors: Tensor = self.module.get_image_features(**inputs).pooler_output
        return vectors

    def own_text_vectors(self, texts: Sequence[str]) -> Tensor:
        """See `DualModel`."""
        inputs = self._own_part("tokenizer")(
            list(texts), padding=self._family.padding, truncation=True, return_tensors="pt"
        )
        vectors: Tensor = self.module.get_text_features(**inputs).pooler_output
        return vectors

    def _own_part(self, part: Literal["image_processor", "tokenizer"]) -> Any:
        """Return a part of the model's processor as transformers loads it, not as it is here."""
        processor = load_processor(self.name, "--model", backend="pil")
        return getattr(processor, part, processor)

    def ready_to_save(self) -> None:
        """See `DualModel`."""
        self._processor = load_processor(self.name, "--model", backend="pil")

    def save(self, folder: Path) -> None:
        """See `DualModel`; `ready_to_save` comes first."""
        self.module.save_pretrained(folder)
        self._processor.save_pretrained(folder)

    def keep_no_activations(self) -> None:
        """See `DualModel`."""
        recompute_activations(self.module)

    @property
    def log_scale(self) -> nn.Parameter | None:
        """See `DualModel`."""
        return getattr(self.module, "logit_scale", None)

    @property
    def bias(self) -> nn.Parameter | None:
        """See `DualModel`."""
        own = getattr(self.module, "logit_bias", None)
        return own if isinstance(own, nn.Parameter) else None


def recompute_activations(model: PreTrainedModel) -> None:
    """Let a model of transformers keep no activations inside a layer."""
    # The name changed within transformers 5, and the old one warns.
    old, new = "gradient_checkpointing_enable", "activation_checkpointing_enable"
    name = new if hasattr(model, new) else old
    getattr(model, name)({"use_reentrant": False})


def load_transformers_model(name: str, view: ViewMode | None) -> TransformersModel:
    """Load a model, its image processor and its tokenizer, with float32 weights.

    Args:
        name: Folder, or name on the hub.
        view: How a wide frame becomes the model's input; None follows the model's processor.

    Raises:
        ModelError: The model is neither a folder nor available from the hub.
        CueframeError: It is not a dual encoder, or `index.models.model_loading` refuses it.
    """
    model = load_dual_encoder(name)
    image_processor = load_image_processor(name, "--model")
    tokenizer = load_tokenizer(name, "--model")
    refuse_other_tokenizer(tokenizer, model.config, name)
    with in_one_line(name, "--model"):
        return TransformersModel(name, model, tokenizer, image_processor, view)
