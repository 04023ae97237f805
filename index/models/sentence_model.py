"""A dual encoder, or a text tower alone, of the library sentence-transformers.

Vectors are those of `SentenceTransformer.encode`: of texts with the prompt for queries where the
model has one, else with its default prompt; of pictures as they are.

B: images or texts of a batch, D: width of a vector, H, W: height and width of the model's input.
"""

import math
import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from index.errors import CueframeError
from index.models.control_words import as_plain_texts, control_words, unknown_token
from index.models.dual_model import DualModel, Side, Tokens
from index.models.families import family_of
from index.models.model_loading import in_one_line
from index.models.normalization import normalization_of
from index.models.preprocess import ImageTransform, ViewMode, image_transform_of
from index.models.sentence_folder import load_sentence_transformer
from index.models.transformers_model import recompute_activations

_INNER = re.compile(r"^0\.(auto_)?model\.")
"""What names of the transformer's weights begin with."""
_PIXEL_VALUES = ("do_rescale", "rescale_factor", "do_normalize", "image_mean", "image_std")
_NO_PIXELS = ImageTransform(
    mode="stretch", height=1, width=1, shortest_edge=1, resample=3, fill=(0, 0, 0)
)
_MOST_TOKENS = 1 << 20
"""A tokenizer without a limit has one of 1e30."""


class SentenceModel(DualModel):
    """A SentenceTransformer, whose modules after the first make the vector of both sides."""

    library = "sentence-transformers"

    def __init__(self, name: str, model: Any, view: ViewMode | None) -> None:
        """Take a SentenceTransformer; `view` None follows its image processor.

        Raises:
            CueframeError: Its pictures go through something else than `get_image_features`, or a
                text's vector would depend on the texts beside it.
        """
        first = model[0]
        padding = first.processing_kwargs.get("text", {}).get("padding")
        if family_of(first.config).padding not in ("longest", padding):
            raise CueframeError(
                f"{name} pads a text to the longest beside it, and its vector would depend on the "
                'texts beside it; save it with Transformer(…, processing_kwargs={"text": '
                '{"padding": "max_length"}}), or name a folder of transformers with --model'
            )
        self.name = name
        self.module: Any = model
        self.has_vision = "image" in model.modalities
        self._prompt: str | None = (
            model.prompts.get("query") or model.prompts.get(model.default_prompt_name) or None
        )
        probe = self._preprocess([""])
        self._of_texts = {
            key: value for key, value in probe.items() if not isinstance(value, Tensor)
        }
        """The same for all texts: the modality, and how many tokens the prompt has."""
        self.max_tokens = int(min(model.max_seq_length or _MOST_TOKENS, _MOST_TOKENS))
        self._values: dict[str, Any] = {}
        self.transform, self.own_transform = _NO_PIXELS, None
        if self.has_vision:
            self._values = _image_processor(model, name).to_dict()
            self._normalize = normalization_of(self._values)
            self.transform = image_transform_of(self._values, view)
            with suppress(CueframeError):
                self.own_transform = image_transform_of(self._values, None)
        own = getattr(model[0].model, "logit_scale", None)
        # CLIP's, for a tower that was taught to point where a CLIP's does.
        self._log_scale = nn.Parameter(torch.tensor(math.log(100.0))) if own is None else own

    def image_vectors(self, pixels: Tensor) -> Tensor:
        """See `DualModel`."""
        values = self._normalize(pixels).to(self.dtype)  # (B, 3, H, W)
        return self._vectors({"pixel_values": values, "modality": "image"})

    def text_vectors(self, tokens: Tokens) -> Tensor:
        """See `DualModel`."""
        return self._vectors({**tokens, **self._of_texts})

    def tokens(self, texts: Sequence[str]) -> Tokens:
        """See `DualModel`."""
        features = self._preprocess(texts)
        return {key: value for key, value in features.items() if isinstance(value, Tensor)}

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """See `DualModel`; those of the prompt are counted."""
        whole = [(self._prompt or "") + text for text in texts]
        ids = self.module.tokenizer(whole, truncation=False, verbose=False)["input_ids"]
        return [len(own) for own in ids]

    def plain_texts(self, texts: Sequence[str]) -> list[str]:
        """See `DualModel`."""
        words = control_words(self.module.tokenizer, special_alone=True)
        return as_plain_texts(self.module.tokenizer, words, texts)

    @property
    def unknown_token(self) -> int | None:
        """See `DualModel`."""
        return unknown_token(self.module.tokenizer)

    def side_of(self, weight: str) -> Side:
        """See `DualModel`; a layer that both sides go through is the vision side's."""
        if not self.has_vision:
            return "text"
        inner = _INNER.sub("", weight)
        if inner == weight:
            return "vision"
        if inner.startswith("logit_"):
            return "logits"
        return "text" if inner.startswith("text_") else "vision"

    def is_projection(self, weight: str) -> bool:
        """See `DualModel`."""
        inner = _INNER.sub("", weight)
        if inner == weight:
            return True
        return inner.startswith(("visual_projection", "text_projection"))

    def is_head(self, weight: str) -> bool:
        """Say whether a weight is of the last layer outside of the transformer."""
        layers = {name.split(".")[0] for name in self.module.state_dict() if not _INNER.match(name)}
        last = max((layer for layer in layers if layer.isdigit()), key=int, default=None)
        return weight.split(".")[0] == last

    def preprocessing(self) -> Any:
        """See `DualModel`."""
        values = [np.float32(self._values[key]).tolist() for key in _PIXEL_VALUES if self._values]
        return ["sentence_transformers", self.module.truncate_dim, values]

    def configuration(self) -> Any:
        """See `DualModel`."""
        return self.module[0].config.to_dict()

    def own_image_vectors(self, images: Sequence[Image.Image]) -> Tensor:
        """See `DualModel`."""
        return self._own(list(images), self.module.encode_document)

    def own_text_vectors(self, texts: Sequence[str]) -> Tensor:
        """See `DualModel`."""
        query = bool(self.module.prompts.get("query"))
        return self._own(list(texts), self.module.encode_query if query else self.module.encode)

    def ready_to_save(self) -> None:
        """See `DualModel`; all is here."""

    def save(self, folder: Path) -> None:
        """See `DualModel`."""
        self.module.save_pretrained(str(folder), create_model_card=False)

    def keep_no_activations(self) -> None:
        """See `DualModel`."""
        recompute_activations(self.module[0].model)

    @property
    def log_scale(self) -> nn.Parameter | None:
        """See `DualModel`."""
        return self._log_scale

    @property
    def bias(self) -> nn.Parameter | None:
        """See `DualModel`."""
        own = getattr(self.module[0].model, "logit_bias", None)
        return own if isinstance(own, nn.Parameter) else None

    def _preprocess(self, texts: Sequence[str]) -> dict[str, Any]:
        return dict(self.module.preprocess(list(texts), prompt=self._prompt))

    def _vectors(self, features: dict[str, Any]) -> Tensor:
        vectors: Tensor = self.module(features)["sentence_embedding"]
        return vectors[:, : self.module.truncate_dim]

    def _own(self, inputs: list[Any], encode: Any) -> Tensor:
        vectors: Tensor = encode(inputs, convert_to_tensor=True, show_progress_bar=False)
        return vectors


def _image_processor(model: Any, name: str) -> Any:
    """Return the image processor of a model whose pictures are all of one size.

    Raises:
        CueframeError: They are not.
    """
    first = model[0]
    processor = getattr(first.processor, "image_processor", first.processor)
    way = first.modality_config["image"]["method"]
    names = list(getattr(processor, "model_input_names", []))
    if (
        "message" in first.modality_config
        or way != "get_image_features"
        or names != ["pixel_values"]
    ):
        raise CueframeError(
            f"{name} reads a picture as part of a chat or in patches of its own number, for which "
            "there are no fixed pixels; name a model of images and texts with a tower for each, "
            "like CLIP or SigLIP, with --model"
        )
    return processor


def load_sentence_model(name: str, view: ViewMode | None) -> SentenceModel:
    """Load a model of sentence-transformers, with float32 weights.

    Args:
        name: Folder with modules.json, or name on the hub.
        view: How a wide frame becomes the model's input; None follows the model's processor.

    Raises:
        ModelError: The model is neither a folder nor available from the hub.
        CueframeError: sentence-transformers is not installed, `index.models.sentence_folder`
            refuses the folder, or its pictures have no fixed size.
    """
    model = load_sentence_transformer(name, "--model")
    with in_one_line(name, "--model"):
        return SentenceModel(name, model, view)
