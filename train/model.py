"""The model in training: a dual encoder with a forward pass, and the choice of what to train.

b: questions of a micro-batch, 1+N: frames of each, T: tiles of a frame, L: tokens, D: width of a
vector, H, W: height and width of the model's input.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import PreTrainedModel

from index.errors import CueframeError
from index.models.dual_model import DualModel, Tokens
from index.models.encoder import load_dual_model
from index.models.model_folder import DEFAULT_MODEL
from index.models.model_loading import (
    load_dual_encoder,
    load_processor,
    refuse_other_tokenizer,
)
from index.models.preprocess import ViewMode
from index.models.proof import prove
from train.last_layers import weights_of_last_layers
from train.losses.base import Loss
from train.tune import Tower, read_tune

_KEY_BIASES = ("k_proj.bias", ".key.bias", ".k_lin.bias")
"""Of CLIP, of BERT and XLM-R, of DistilBERT."""
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
        CueframeError: It is not a dual encoder, or is refused by `index.models.model_loading`.
    """
    model = load_dual_encoder(model_name)
    processor = load_processor(model_name, "--model", backend="pil")
    refuse_other_tokenizer(processor.tokenizer, model.config, model_name)
    return model, processor


def load_dual_model_to_train(name: str, view: ViewMode | None) -> DualModel:
    """Load a dual encoder of any library with float32 weights, ready to be trained and saved.

    Raises:
        ModelError: The model is neither a folder nor available from the hub.
        CueframeError: It is not a dual encoder, cannot be loaded, or encodes in another way here
            than by its own processor (`index.models.proof`).
    """
    dual = load_dual_model(name, view)
    prove(dual)
    dual.ready_to_save()
    return dual


class DualEncoder(nn.Module):
    """A dual encoder whose forward returns unit vectors, with scale and bias of the logits.

    Scale and bias are 0-d here whatever their shape in the model, and not used by forward. A
    temperature learns as what it is, the inverse of the scale; a model that has neither learns
    with a scale that begins at CLIP's 100 and is not saved. The bias begins as the model's own, and
    is saved where it learns.
    """

    def __init__(self, dual: DualModel) -> None:
        """Take a model (`load_dual_model_to_train`)."""
        super().__init__()
        self.dual = dual
        self.clip: Any = dual.module
        self._saves_adapter = False
        own = torch.tensor(MAX_LOGIT_SCALE) if dual.log_scale is None else dual.log_scale.detach()
        self.logit_scale = nn.Parameter(own.reshape(()).clone())
        self._has_lora = False
        self._most = math.log(dual.highest_scale)
        bias = torch.zeros(()) if dual.bias is None else dual.bias.detach()
        self.logit_bias = nn.Parameter(bias.reshape(()).clone())

    def add_lora(self, rank: int, alpha: int | None = None, *, save_adapter: bool = False) -> None:
        """Let additions of a low rank learn instead of the linear layers that learn.

        Args:
            rank: Rank of the additions.
            alpha: Their scale times the rank; None: the rank.
            save_adapter: Whether `save` writes them by themselves, too.

        Raises:
            CueframeError: As `train.lora.add_lora`, and as `train.adapter.freeze_bare_weights`.
        """
        from train.lora import add_lora

        if save_adapter:
            from train.adapter import freeze_bare_weights

            freeze_bare_weights(self.dual)
        add_lora(self.dual, rank, alpha)
        self._has_lora, self._saves_adapter = True, save_adapter
        set_training_mode(self)

    def forward(
        self, tokens: Tokens | None, pixel_values: Tensor | None
    ) -> tuple[Tensor | None, Tensor | None]:
        """Encode texts and images; return None for inputs that are None.

        Args:
            tokens: Texts as `DualModel.tokens` gives them, each tensor (b, L).
            pixel_values: (b·(1+N)·T, 3, H, W) uint8. They are normalised here, so that the pixels
                of a pool take a quarter of the memory.

        Returns:
            (b, D) and (b·(1+N)·T, D) float32 unit vectors.
        """
        text = images = None
        if tokens is not None:
            text = F.normalize(self.dual.text_vectors(tokens).float(), dim=-1)  # (b, D)
        if pixel_values is not None:
            vectors = self.dual.image_vectors(pixel_values).float()
            images = F.normalize(vectors, dim=-1)  # (b·(1+N)·T, D)
        return text, images

    @torch.no_grad()
    def clamp_scale(self) -> None:
        """Keep the logits' scale within the bound of the model's family, if that has one."""
        self.logit_scale.clamp_(max=self._most)

    @torch.no_grad()
    def to_save(self) -> DualModel:
        """Return the model, with its scale, and its bias if that learns, brought up to date.

        What LoRA adds is part of the weights there, and the model in training stays as it is.
        """
        self.dual.set_log_scale(self.logit_scale.item())
        if self.dual.bias is not None and self.logit_bias.requires_grad:
            self.dual.bias.fill_(self.logit_bias.item())
        if not self._has_lora:
            return self.dual
        from train.lora import with_additions

        return with_additions(self.dual)

    def save(self, folder: Path) -> None:
        """Write `to_save`, and what LoRA adds into a folder of its own there if that is wanted."""
        self.to_save().save(folder)
        if self._saves_adapter:
            from train.adapter import write_adapter

            write_adapter(self.dual, folder / "adapter")


def choose_what_learns(model: DualEncoder, tune: str, loss: Loss) -> None:
    """Set `requires_grad` of every parameter as --tune says, and the towers' modes accordingly.

    The biases of the keys are never trained: softmax does not see them, so their true gradient is
    zero, and AdamW turns its rounding noise into whole steps (measured on a small CLIP: in ten
    steps 1 to 3 % of the distance moved, different on two processes and on one). A tower without
    trained parameters is in eval mode.

    Raises:
        CueframeError: The model has no such part or layers, or another text side would not fit it
            any more.
    """
    dual = model.dual
    part, last = tuned = read_tune(tune)
    if part in ("all", "vision") and len(dual.text_sides()) > 1:
        raise CueframeError(
            f"{dual.name} sends texts in one language to its teacher, whose text side would not "
            f"learn along with the pictures under --tune {tune}; choose --tune text"
        )
    upper: set[str] = set()
    if last:
        model.eval()
        towers = [tower for tower in tuned.towers if tower == "text" or dual.has_vision]
        upper = set().union(*(weights_of_last_layers(dual, tower, last) for tower in towers))
    chosen = 0
    for name, parameter in model.clip.named_parameters():
        learns = dual.side_of(name) in tuned.towers and not name.endswith(_KEY_BIASES)
        if part == "projection":
            learns = learns and dual.is_projection(name)
        if last:
            learns = learns and name in upper
        parameter.requires_grad_(learns)
        chosen += learns
    if not chosen:
        raise CueframeError(
            f"the model has no {part} part of its own; choose --tune all, vision or text"
        )
    model.logit_bias.requires_grad_(loss.bias in ("learned", "own"))
    set_training_mode(model)


def vision_learns(model: DualEncoder) -> bool:
    """Return whether anything learns that a frame's vector may depend on."""
    own = model.clip.named_parameters()
    return any(p.requires_grad and model.dual.side_of(name) != "text" for name, p in own)


def set_training_mode(model: DualEncoder) -> None:
    """Set training mode for the parts with trained parameters, eval mode for the others.

    Batch normalisation (in ALIGN and GroupViT) keeps the statistics it has: those of a step's few
    frames are others, and a vector would depend on the frames beside it.
    """
    model.train()
    for part in _parts(model.clip):
        part.train(any(parameter.requires_grad for parameter in part.parameters()))
    for part in model.clip.modules():
        if isinstance(part, nn.modules.batchnorm._BatchNorm):
            part.eval()


def _parts(module: nn.Module) -> list[nn.Module]:
    """Return the towers and projections of a model, of one made of several models those of each."""
    parts = [*module.children()]
    if isinstance(module, nn.ModuleDict):
        return [*chain.from_iterable(map(_parts, parts))]
    return parts


def parameter_groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Group the trained parameters for AdamW: only matrices decay, not biases, norms or scale."""
    return _groups([one for one in model.parameters() if one.requires_grad], weight_decay)


def tower_groups(
    model: DualEncoder, weight_decay: float, rates: Mapping[Tower, float | None]
) -> list[dict[str, Any]]:
    """Group the trained parameters as `parameter_groups` does, with learning rates of their own.

    Args:
        model: The model.
        weight_decay: Weight decay of matrices.
        rates: Learning rate of each tower's weights; None, or no entry: the optimizer's own.

    Returns:
        The groups; the first two have the optimizer's own rate, even if they are empty.

    Raises:
        CueframeError: A tower with a rate of its own has no weight that learns.
    """
    of_tower: dict[str | None, list[nn.Parameter]] = {None: []}
    own = [tower for tower, rate in rates.items() if rate is not None]
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            _, _, own_name = name.partition(".")
            side = model.dual.side_of(own_name) if own_name else None
            of_tower.setdefault(side if side in own else None, []).append(parameter)
    groups = _groups(of_tower[None], weight_decay)
    for tower in own:
        if tower not in of_tower:
            raise CueframeError(
                f"--lr_{tower} is {rates[tower]}, and {model.dual.name} has no weight of a {tower} "
                "side that learns; leave it out"
            )
        groups += [group | {"lr": rates[tower]} for group in _groups(of_tower[tower], weight_decay)]
    return groups


def _groups(learning: Sequence[nn.Parameter], weight_decay: float) -> list[dict[str, Any]]:
    return [
        {"params": [p for p in learning if p.ndim >= 2], "weight_decay": weight_decay},
        {"params": [p for p in learning if p.ndim < 2], "weight_decay": 0.0},
    ]
