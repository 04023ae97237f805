"""A dual encoder of the library open_clip, and what prepares its inputs.

B: images or texts of a batch, L: tokens, D: width of a vector, H, W: height and width of the
model's input.
"""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor, nn

from index.errors import CueframeError
from index.models.control_words import as_plain_texts, control_words, unknown_token
from index.models.dual_model import DualModel, Side, Tokens
from index.models.libraries import OPEN_CLIP_CONFIG, OPEN_CLIP_WEIGHTS, package_of
from index.models.open_clip_folder import OpenClipParts, load_open_clip_parts
from index.models.open_clip_preprocess import open_clip_transform
from index.models.preprocess import ViewMode

_PROJECTIONS = (
    "visual.proj.",
    "visual.head.",
    "visual.trunk.head.",
    "visual.attnpool.c_proj.",
    "text_projection",
    "text.text_projection",
    "text.proj.",
)


class OpenClipModel(DualModel):
    """A model with `encode_image` and `encode_text`."""

    library = "open_clip"

    def __init__(self, name: str, parts: OpenClipParts, view: ViewMode | None) -> None:
        """Take a model with its tokenizer; `view` None follows its preprocess configuration."""
        self.name = name
        self.module: Any = parts.model
        self.tokenizer = parts.tokenizer
        self._config = parts.config
        self._preprocess = parts.model.visual.preprocess_cfg
        self.own_transform, self._normalize = open_clip_transform(self._preprocess, None)
        self.transform = open_clip_transform(self._preprocess, view)[0]
        self.max_tokens = int(parts.tokenizer.context_length)
        keep_key_biases(parts.model)

    def image_vectors(self, pixels: Tensor) -> Tensor:
        """See `DualModel`."""
        values = self._normalize(pixels).to(self.dtype)  # (B, 3, H, W)
        vectors: Tensor = self.module.encode_image(values)
        return vectors

    def text_vectors(self, tokens: Tokens) -> Tensor:
        """See `DualModel`."""
        vectors: Tensor = self.module.encode_text(tokens["input_ids"])
        return vectors

    def tokens(self, texts: Sequence[str]) -> Tokens:
        """See `DualModel`; all are padded to `max_tokens`, as the models were trained."""
        return {"input_ids": self.tokenizer(list(texts))}  # (B, L)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """See `DualModel`."""
        inner = getattr(self.tokenizer, "tokenizer", None)
        if inner is None:  # with the two that begin and end a text
            return [len(self.tokenizer.encode(text)) + 2 for text in texts]
        clean = [self.tokenizer.clean_fn(text) for text in texts]
        if self.tokenizer.tokenizer_mode == "clips":  # begin, end, class
            ids = inner(clean, add_special_tokens=False, verbose=False)["input_ids"]
            return [len(own) + 3 for own in ids]
        return [len(ids) for ids in inner(clean, verbose=False)["input_ids"]]

    def plain_texts(self, texts: Sequence[str]) -> list[str]:
        """See `DualModel`."""
        inner = getattr(self.tokenizer, "tokenizer", None)
        if inner is not None:
            return as_plain_texts(inner, control_words(inner, special_alone=True), texts)
        words = (self.tokenizer.decoder[number] for number in self.tokenizer.all_special_ids)
        found = re.compile("|".join(map(re.escape, words)), re.IGNORECASE)
        return [found.sub(lambda word: f"{word[0][0]} {word[0][1:]}", text) for text in texts]

    @property
    def unknown_token(self) -> int | None:
        """See `DualModel`; open_clip's own byte pairs know every byte."""
        inner = getattr(self.tokenizer, "tokenizer", None)
        return None if inner is None else unknown_token(inner)

    def side_of(self, weight: str) -> Side:
        """See `DualModel`."""
        if weight.startswith("logit_"):
            return "logits"
        if weight.startswith("text_decoder."):  # CoCa's captions
            return "unused"
        return "vision" if weight.startswith("visual.") else "text"

    def is_projection(self, weight: str) -> bool:
        """See `DualModel`."""
        return weight == "visual.proj" or weight.startswith(_PROJECTIONS)

    def preprocessing(self) -> Any:
        """See `DualModel`."""
        return ["open_clip", self._normalize.mean, self._normalize.std]

    def configuration(self) -> Any:
        """See `DualModel`."""
        return self._config

    def own_image_vectors(self, images: Sequence[Image.Image]) -> Tensor:
        """See `DualModel`."""
        library = package_of("open_clip", self.name).transform
        prepare = library.image_transform_v2(
            library.PreprocessCfg(**self._preprocess), is_train=False
        )
        values = torch.stack([prepare(image) for image in images])  # (B, 3, H, W)
        vectors: Tensor = self.module.encode_image(values.to(self.device, self.dtype))
        return vectors

    def own_text_vectors(self, texts: Sequence[str]) -> Tensor:
        """See `DualModel`."""
        vectors: Tensor = self.module.encode_text(self.tokenizer(list(texts)).to(self.device))
        return vectors

    def ready_to_save(self) -> None:
        """See `DualModel`; all is here."""

    def save(self, folder: Path) -> None:
        """See `DualModel`; open_clip loads it as local-dir:FOLDER."""
        folder.mkdir(parents=True)
        tensors = {key: value.contiguous() for key, value in self.module.state_dict().items()}
        save_file(tensors, folder / OPEN_CLIP_WEIGHTS[0], metadata={"format": "pt"})
        if hasattr(self.tokenizer, "save_pretrained"):
            self.tokenizer.save_pretrained(folder)
        (folder / OPEN_CLIP_CONFIG).write_text(json.dumps(self._config, indent=2) + "\n")

    def keep_no_activations(self) -> None:
        """See `DualModel`."""
        try:
            self.module.set_grad_checkpointing(True)
        except (AssertionError, AttributeError, NotImplementedError, ValueError) as error:
            raise CueframeError(
                f"{self.name} cannot recompute activations ({str(error).splitlines()[:1]}); leave "
                "--gradient_checkpointing out"
            ) from error

    @property
    def log_scale(self) -> nn.Parameter | None:
        """See `DualModel`."""
        return getattr(self.module, "logit_scale", None)

    @property
    def bias(self) -> nn.Parameter | None:
        """See `DualModel`."""
        own = getattr(self.module, "logit_bias", None)
        return own if isinstance(own, nn.Parameter) else None


def keep_key_biases(module: nn.Module) -> None:
    """Let the biases of the keys not learn, where one parameter holds those of queries and values.

    Softmax does not see them, so their gradient is rounding noise (`train.model`).
    """

    def without_keys(gradient: Tensor) -> Tensor:
        queries, keys, values = gradient.chunk(3)
        return torch.cat([queries, torch.zeros_like(keys), values])

    for part in module.modules():
        if isinstance(part, nn.MultiheadAttention) and part.in_proj_bias is not None:
            bias: Any = part.in_proj_bias  # register_hook has no types
            bias.register_hook(without_keys)


def load_open_clip_model(name: str, view: ViewMode | None) -> OpenClipModel:
    """Load a model of open_clip and its tokenizer, with float32 weights.

    Args:
        name: Folder with open_clip_config.json, or hf-hub:OWNER/NAME.
        view: How a wide frame becomes the model's input; None follows the model's configuration.

    Raises:
        ModelError: The model is neither a folder nor available from the hub.
        CueframeError: open_clip is not installed, or `index.models.open_clip_folder` refuses it.
    """
    return OpenClipModel(name, load_open_clip_parts(name, "--model"), view)
