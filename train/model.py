"""The model in training: a dual encoder with a forward pass, and the choice of what to train.

b: questions of a micro-batch, 1+N: frames of each, L: tokens, D: width of a vector,
H, W: height and width of the model's input.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import PreTrainedModel

from index.errors import CueframeError
from index.models.encoder import normalization_of
from index.models.model_loading import (
    DEFAULT_MODEL,
    load_dual_encoder,
    load_processor,
    refuse_other_tokenizer,
)
from train.config import Tune
from train.losses.base import Loss

MAX_LOGIT_SCALE = 4.605170185988092
"""ln 100, as CLIP was trained (Radford et al. 2021)."""


def load_model_to_train(model_name: str = DEFAULT_MODEL) -> tuple[PreTrainedModel, Any]:
    """Load a dual encoder with float32 weights, and its processor (pictures resized by Pillow).

    Args:
        model_name: A folder written by save_pretrained, or a name on the hub.

    Returns:
        Model and processor; for CLIP, a CLIPModel and a CLIPProcessor.

    Raises:
        ModelError: The model is neither a folder nor available from the hub.
        CueframeError: It is not a dual encoder with a scale of its logits, or is refused by
            `index.models.model_loading`.
    """
    model = load_dual_encoder(model_name)
    processor = load_processor(model_name, "--model", backend="pil")
    refuse_other_tokenizer(processor.tokenizer, model.config, model_name)
    if not isinstance(getattr(model, "logit_scale", None), nn.Parameter):
        raise CueframeError(
            f"{model_name} has no logit_scale to train with; name a CLIP or SigLIP model with "
            "--model"
        )
    return model, processor


class DualEncoder(nn.Module):
    """A dual encoder whose forward returns unit vectors, with scale and bias of the logits.

    Scale and bias are 0-d here whatever their shape in the model, and not used by forward.
    """

    _mean: Tensor
    _std: Tensor

    def __init__(self, clip: PreTrainedModel, image_processor: dict[str, Any]) -> None:
        super().__init__()
        self.clip: Any = clip
        scale: Any = clip.logit_scale
        self.logit_scale = nn.Parameter(scale.detach().reshape(()).clone())
        self.logit_bias = nn.Parameter(torch.zeros(()))
        self._rescale, mean, std = normalization_of(image_processor)
        self.register_buffer("_mean", mean, persistent=False)
        self.register_buffer("_std", std, persistent=False)

    def forward(
        self, input_ids: Tensor | None, attention_mask: Tensor | None, pixel_values: Tensor | None
    ) -> tuple[Tensor | None, Tensor | None]:
        """Encode texts and images; return None for inputs that are None.

        Args:
            input_ids: (b, L).
            attention_mask: (b, L), None for a tokenizer that returns none.
            pixel_values: (b·(1+N), 3, H, W) uint8. They are normalised here, so that the pixels of
                a pool take a quarter of the memory.

        Returns:
            (b, D) and (b·(1+N), D) float32 unit vectors.
        """
        text = images = None
        if input_ids is not None:
            out = self.clip.get_text_features(input_ids=input_ids, attention_mask=attention_mask)
            text = F.normalize(out.pooler_output.float(), dim=-1)  # (b, D)
        if pixel_values is not None:
            pixels = (pixel_values.float() * self._rescale - self._mean) / self._std
            out = self.clip.get_image_features(pixel_values=pixels)
            images = F.normalize(out.pooler_output.float(), dim=-1)  # (b·(1+N), D)
        return text, images

    @torch.no_grad()
    def clamp_scale(self) -> None:
        """Keep the logits' scale at 100 or below."""
        self.logit_scale.clamp_(max=MAX_LOGIT_SCALE)

    @torch.no_grad()
    def to_save(self) -> PreTrainedModel:
        """Return the model, with its scale, and its bias if it has one, brought up to date."""
        self.clip.logit_scale.fill_(self.logit_scale.item())
        if isinstance(getattr(self.clip, "logit_bias", None), nn.Parameter):
            self.clip.logit_bias.fill_(self.logit_bias.item())
        clip: PreTrainedModel = self.clip
        return clip


def choose_what_learns(model: DualEncoder, tune: Tune, loss: Loss) -> None:
    """Set `requires_grad` of every parameter, and the towers' modes accordingly.

    The biases of the keys are never trained: softmax does not see them, so their true gradient is
    zero, and AdamW turns its rounding noise into whole steps (measured on a small CLIP: in ten
    steps 1 to 3 % of the distance moved, different on two processes and on one). A tower without
    trained parameters is in eval mode.

    Raises:
        CueframeError: The model has no such part.
    """
    parts = {
        "all": ("",),
        "vision": ("vision_", "visual_"),
        "text": ("text_",),
        "projection": ("visual_projection", "text_projection"),
    }[tune]
    chosen = 0
    for name, parameter in model.clip.named_parameters():
        learns = name.startswith(parts) and not name.startswith("logit_")
        learns = learns and not name.endswith("k_proj.bias")
        parameter.requires_grad_(learns)
        chosen += learns
    if not chosen:
        raise CueframeError(
            f"the model has no {tune} part of its own; choose --tune all, vision or text"
        )
    model.logit_bias.requires_grad_(loss.bias == "learned")
    set_training_mode(model)


def set_training_mode(model: DualEncoder) -> None:
    """Set training mode for the parts with trained parameters, eval mode for the others."""
    model.train()
    for part in model.clip.children():
        part.train(any(parameter.requires_grad for parameter in part.parameters()))


def save_memory(clip: PreTrainedModel) -> None:
    """Keep no activations inside a layer; they are recomputed in the backward pass."""
    # The name changed within transformers 5, and the old one warns.
    old, new = "gradient_checkpointing_enable", "activation_checkpointing_enable"
    getattr(clip, new if hasattr(clip, new) else old)({"use_reentrant": False})


def parameter_groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Group the trained parameters for AdamW: only matrices decay, not biases, norms or scale."""
    learning = [parameter for parameter in model.parameters() if parameter.requires_grad]
    return [
        {"params": [p for p in learning if p.ndim >= 2], "weight_decay": weight_decay},
        {"params": [p for p in learning if p.ndim < 2], "weight_decay": 0.0},
    ]
