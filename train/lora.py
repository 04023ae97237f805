"""LoRA: low-rank additions to the linear layers, which learn instead of the layers' own weights.

A layer's weight W (out, in) becomes W + B·A with A (rank, in) drawn at random and B (out, rank) of
zeros, so the model begins as it was (Hu et al. 2021, "LoRA: Low-Rank Adaptation of Large Language
Models"). All linear layers get one (Dettmers et al. 2023, "QLoRA", section 4: with fewer, full
tuning is not reached). They are multiplied by alpha / rank, and there is no dropout. The
projections onto the common space learn whole: they are small, and stand for the new head that is
trained whole beside LoRA (peft's `modules_to_save`).
"""

import copy
import re

import torch
from peft import LoraConfig, inject_adapter_in_model
from peft.tuners.lora import Linear as LoraLinear
from torch import nn

from index.errors import CueframeError
from index.models.dual_model import DualModel

ADAPTER = "default"
"""The name that peft gives the additions inside of the model."""


def add_lora(dual: DualModel, rank: int, alpha: int | None = None) -> int:
    """Add low-rank weights to the linear layers that learn, and freeze all else but projections.

    Args:
        dual: A model; `requires_grad` says which of its weights learn
            (`train.model.choose_what_learns`).
        rank: Rank of the additions.
        alpha: They are multiplied by alpha / rank; None: by 1.

    Returns:
        Number of layers that have one now.

    Raises:
        CueframeError: No linear layer learns, or one is smaller than the rank.
    """
    module = dual.module
    learning = {name: one for name, one in module.named_parameters() if one.requires_grad}
    whole = [one for name, one in learning.items() if dual.is_projection(name)]
    layers = {
        name: part
        for name, part in module.named_modules()
        if _is_linear(part)
        and f"{name}.weight" in learning
        and not dual.is_projection(f"{name}.weight")
    }
    if not layers:
        raise CueframeError(
            f"--lora_rank {rank} has no linear layer of {dual.name} to add to; leave --lora_rank "
            "out"
        )
    name, smallest = min(layers.items(), key=lambda one: min(one[1].weight.shape))
    if rank > (most := min(smallest.weight.shape)):
        raise CueframeError(
            f"--lora_rank {rank} is above the rank of the layer {name} of {dual.name}; give at "
            f"most {most}, or leave --lora_rank out"
        )
    config = LoraConfig(
        r=rank,
        lora_alpha=rank if alpha is None else alpha,
        lora_dropout=0.0,
        bias="none",
        target_modules=rf"model\.({'|'.join(map(re.escape, layers))})",  # a pattern of whole names
    )
    # In a module of its own, so that peft takes no SentenceTransformer for a model of transformers,
    # and leaves its configuration there and not in what is saved.
    inject_adapter_in_model(config, nn.ModuleDict({"model": module}), ADAPTER)
    for parameter in whole:
        parameter.requires_grad_(True)
    return len(layers)


def _is_linear(part: nn.Module) -> bool:
    """Say whether additions to a layer have an effect.

    nn.MultiheadAttention (in towers of open_clip, in SigLIP's pooling) multiplies by the weights of
    its `out_proj` without calling it, and peft would have to merge and unmerge its weights in each
    forward pass, after which they are not the same to the bit.
    """
    unused = nn.modules.linear.NonDynamicallyQuantizableLinear
    return isinstance(part, nn.Linear) and not isinstance(part, unused)


@torch.no_grad()
def with_additions(dual: DualModel) -> DualModel:
    """Return the model as one without LoRA, whose linear layers hold the sums W + B·A.

    All other weights are shared with the model, which stays as it is to the bit: peft's own merging
    adds in place, and taking the sum back leaves rounding.
    """
    tensors = [*dual.module.parameters(), *dual.module.buffers()]
    plain = copy.deepcopy(dual, {id(tensor): tensor for tensor in tensors})
    for name, part in [*plain.module.named_modules()]:
        if isinstance(part, LoraLinear):
            layer = part.get_base_layer()
            assert isinstance(layer, nn.Linear)
            layer.weight = nn.Parameter(layer.weight + part.get_delta_weight(ADAPTER))
            plain.module.set_submodule(name, layer)
    return plain
