"""A dual encoder of the library transformers, and what prepares its inputs.

B: images or texts of a batch, D: width of a vector, H, W: height and width of the model's input.
"""

import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from transformers import PreTrainedConfig, PreTrainedModel

from index.errors import CueframeError
from index.models.control_words import as_plain_texts, control_words, unknown_token
from index.models.dual_model import DualModel, Side, Tokens
from index.models.families import family_of, side_of, text_positions
from index.models.model_loading import (
    in_one_line,
    load_dual_encoder,
    load_image_processor,
    load_processor,
    load_tokenizer,
    refuse_other_tokenizer,
)
from index.models.normalization import normalization_of, patch_inputs
from index.models.preprocess import ViewMode, image_transform_of
from index.models.processor_values import refuse_unknown_values

_PIXEL_VALUES = ("do_rescale", "rescale_factor", "do_normalize", "image_mean", "image_std")
_LATER_PIXEL_VALUES = ("rescale_offset", "include_top")
"""Named in the fingerprint where they are set, so that older indexes keep theirs."""
_FEWEST_TOKENS = 4
"""A text's begin and end, and something between; the families in use read 16 and more."""
_PROJECTIONS = (
    *("visual_projection", "image_projection", "vision_proj."),
    *("text_projection", "text_proj."),
)


class TransformersModel(DualModel):
    """A model of a family of `index.models.families`."""

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
        self._control_words = control_words(tokenizer, special_alone=True)
        self._processor: Any = None
        self._values = image_processor.to_dict()
        refuse_unknown_values(name, self._values)
        self._normalize = normalization_of(self._values)
        self._family = family_of(model.config)
        self.transform = image_transform_of(self._values, view)
        self.own_transform = None
        with suppress(CueframeError):
            self.own_transform = image_transform_of(self._values, None)
        lengths = (text_positions(model.config), tokenizer.model_max_length, self._family.length)
        self.max_tokens = min(int(length) for length in lengths if length is not None)
        if self.max_tokens < _FEWEST_TOKENS:
            raise CueframeError(
                f"the tokenizer of {name} reads {self.max_tokens} tokens of a text; save the right "
                "one there with save_pretrained"
            )
        if self._family.text_attention:
            self.module.set_attn_implementation({"text_config": self._family.text_attention})

    def image_vectors(self, pixels: Tensor) -> Tensor:
        """See `DualModel`."""
        if self.transform.mode == "native":
            inputs = patch_inputs(pixels, self._normalize)
        else:
            inputs = {"pixel_values": self._normalize(pixels)}  # (B, 3, H, W)
        return self._family.image(self.module, **self._placed(inputs))

    def text_vectors(self, tokens: Tokens) -> Tensor:
        """See `DualModel`."""
        return self._family.text(self.module, **tokens)

    def tokens(self, texts: Sequence[str]) -> Tokens:
        """See `DualModel`."""
        made = self.tokenizer(
            list(texts),
            padding=self._family.padding,
            truncation=True,
            max_length=self.max_tokens,
            return_tensors="pt",
            verbose=False,
        )
        return self._read_by_text_side(made)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """See `DualModel`."""
        return [len(ids) for ids in self.tokenizer(list(texts), verbose=False)["input_ids"]]

    def plain_texts(self, texts: Sequence[str]) -> list[str]:
        """See `DualModel`."""
        return as_plain_texts(self.tokenizer, self._control_words, texts)

    @property
    def unknown_token(self) -> int | None:
        """See `DualModel`."""
        return unknown_token(self.tokenizer)

    def side_of(self, weight: str) -> Side:
        """See `DualModel`."""
        return side_of(self._family, weight)

    def is_projection(self, weight: str) -> bool:
        """See `DualModel`."""
        return weight.startswith(_PROJECTIONS)

    def preprocessing(self) -> Any:
        """See `DualModel`."""
        given = [self._values.get(key) for key in _PIXEL_VALUES]
        values = [None if value is None else np.float32(value).tolist() for value in given]
        return [*values, *(key for key in _LATER_PIXEL_VALUES if self._values.get(key))]

    def configuration(self) -> Any:
        """See `DualModel`."""
        return self.module.config.to_dict()

    def own_image_vectors(self, images: Sequence[Image.Image]) -> Tensor:
        """See `DualModel`; each picture by itself, beside a text that does not matter."""
        processor = load_image_processor(self.name, "--model")
        made = [processor(images=[image], return_tensors="pt") for image in images]
        if not self._family.joint:
            return torch.cat([self._family.image(self.module, **self._placed(one)) for one in made])
        [text] = self._own_tokens(["a"])
        return torch.cat(
            [self.module(**self._placed({**one, **text})).image_embeds for one in made]
        )

    def own_text_vectors(self, texts: Sequence[str]) -> Tensor:
        """See `DualModel`; each text by itself, beside a picture that does not matter."""
        made = self._own_tokens(texts)
        if not self._family.joint:
            return torch.cat([self._family.text(self.module, **self._placed(one)) for one in made])
        processor = load_image_processor(self.name, "--model")
        picture = processor(images=[Image.new("RGB", (64, 64))], return_tensors="pt")
        return torch.cat(
            [self.module(**self._placed({**picture, **one})).text_embeds for one in made]
        )

    def _own_tokens(self, texts: Sequence[str]) -> list[Tokens]:
        """Return each text as the model's processor makes it, loaded anew, not as it is here.

        Where the processor leaves padding and length to its caller, as SigLIP's does, they are
        those of the model's documentation and configuration.
        """
        processor = load_processor(self.name, "--model", backend="pil")
        if not hasattr(processor, "image_processor"):
            processor = load_tokenizer(self.name, "--model")
        tokenizer = getattr(processor, "tokenizer", processor)
        length = min(text_positions(self.module.config), int(tokenizer.model_max_length))
        how = {"padding": self._family.padding, "truncation": True, "max_length": length}
        how |= getattr(type(processor), "text_kwargs", {}) | {"return_tensors": "pt"}
        return [self._read_by_text_side(processor(text=[text], **how)) for text in texts]

    def _read_by_text_side(self, made: Mapping[str, Any]) -> Tokens:
        """Return what the text side reads of a tokenizer's output."""
        return {key: made[key] for key in self._family.text_inputs if key in made}

    def _placed(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return inputs on the model's device, and in its precision if they are no integers."""
        return {
            key: value.to(self.device, self.dtype if value.is_floating_point() else None)
            for key, value in inputs.items()
        }

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
        if self._family.scale == "temperature":
            return nn.Parameter(-self.module.temperature.detach().log())
        return getattr(self.module, "logit_scale", None)

    def set_log_scale(self, value: float) -> None:
        """See `DualModel`."""
        if self._family.scale == "temperature":
            self.module.temperature.fill_(math.exp(-value))
        else:
            super().set_log_scale(value)

    @property
    def scale(self) -> float:
        """See `DualModel`; AIMv2 computes with at most its `max_logit_scale`."""
        return min(super().scale, getattr(self.module.config, "max_logit_scale", math.inf))

    @property
    def highest_scale(self) -> float:
        """See `DualModel`; other families than SigLIP were trained without such a bound, too."""
        return super().highest_scale if self._family.capped else math.inf

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


def load_transformers_model(
    name: str, view: ViewMode | None, *, text_only: bool = False
) -> TransformersModel:
    """Load a model, its image processor and its tokenizer, with float32 weights.

    Args:
        name: Folder, or name on the hub.
        view: How a wide frame becomes the model's input; None follows the model's processor.
        text_only: Leave its vision side out, to encode texts alone.

    Raises:
        ModelError: The model is neither a folder nor available from the hub.
        CueframeError: It is not a dual encoder, or `index.models.model_loading` refuses it.
    """
    model = load_dual_encoder(name, text_only=text_only)
    image_processor = load_image_processor(name, "--model")
    tokenizer = load_tokenizer(name, "--model")
    refuse_other_tokenizer(tokenizer, model.config, name)
    with in_one_line(name, "--model"):
        _refuse_lost_end(tokenizer, model.config, name)
        return TransformersModel(name, model, tokenizer, image_processor, view)


def _refuse_lost_end(tokenizer: Any, config: PreTrainedConfig, name: str) -> None:
    """Refuse a tokenizer that lost its template: the model's own processor would use it, too."""
    end = tokenizer.eos_token_id
    if family_of(config).ends and end is not None and tokenizer("a")["input_ids"][-1] != end:
        raise CueframeError(
            f"the tokenizer of {name} does not end a text with {tokenizer.eos_token}, as in the "
            "model's training; save the right one there with save_pretrained"
        )
