"""What LoRA learned, as an adapter in peft's own layout, to be loaded onto the model that it began
from:

    FOLDER/adapter_config.json         where the additions belong, their rank and alpha
    FOLDER/adapter_model.safetensors   A and B of each layer, and the projections whole

peft loads it onto the base model (`PeftModel`), which then gives the vectors of the model that was
saved.
"""

import os
from pathlib import Path

import torch
from peft import LoraConfig
from peft.tuners.lora import Linear as LoraLinear
from safetensors.torch import save_file

from index.errors import CueframeError
from index.messages import name_some, say
from index.models.dual_model import DualModel
from index.storage.atomic_write import folder_of
from train.lora import ADAPTER

_WHOLE = "base_model.model."
"""What peft's names of weights begin with."""


def freeze_bare_weights(dual: DualModel) -> None:
    """Let projections not learn that are no layers of their own, since peft cannot save them.

    open_clip's own towers hold theirs as bare parameters. What stays as it is, is said on stderr.

    Raises:
        CueframeError: peft does not load an adapter onto such a model.
    """
    if dual.library not in ("transformers", "open_clip"):
        raise CueframeError(
            f"{dual.name} is a model of {dual.library}, onto which peft does not load an adapter; "
            "leave --save_adapter out"
        )
    learning = [name for name, weight in dual.module.named_parameters() if weight.requires_grad]
    bare = [name for name in learning if dual.is_projection(name) and not _is_of_layer(dual, name)]
    for name in bare:
        dual.module.get_parameter(name).requires_grad_(False)
    if bare and os.environ.get("RANK", "0") == "0":
        say(f"peft saves layers alone, so with --save_adapter {name_some(bare)} do not learn")


def _is_of_layer(dual: DualModel, weight: str) -> bool:
    """Say whether a projection's weight is of a layer that holds nothing else."""
    layer = dual.module.get_submodule(weight.rpartition(".")[0])
    return layer is not dual.module and not [*layer.children()]


def write_adapter(dual: DualModel, folder: Path) -> None:
    """Write the additions, and the projections that learned with them, into a new folder.

    Args:
        dual: A model in training, with LoRA (`train.lora.add_lora`).
        folder: The folder, not there yet.
    """
    layers = {n: part for n, part in dual.module.named_modules() if isinstance(part, LoraLinear)}
    whole = {
        name.rpartition(".")[0]
        for name, weight in dual.module.named_parameters()
        if weight.requires_grad and dual.is_projection(name)
    }
    tensors = {
        f"{name}.{own}": value
        for name in whole
        for own, value in dual.module.get_submodule(name).state_dict().items()
    }
    for name, part in layers.items():
        for half in ("lora_A", "lora_B"):
            tensors[f"{name}.{half}.weight"] = getattr(part, half)[ADAPTER].weight
    one = next(iter(layers.values()))
    config = LoraConfig(
        r=one.r[ADAPTER],
        lora_alpha=one.lora_alpha[ADAPTER],
        lora_dropout=0.0,
        bias="none",
        target_modules=[*layers],
        modules_to_save=sorted(whole) or None,
        # A folder's name means nothing elsewhere.
        base_model_name_or_path=None if folder_of(dual.name) else dual.name,
        inference_mode=True,
    )
    folder.mkdir(parents=True)
    config.save_pretrained(str(folder))
    save_file(
        {_WHOLE + name: _plain(value) for name, value in tensors.items()},
        folder / "adapter_model.safetensors",
        metadata={"format": "pt"},
    )


def _plain(value: torch.Tensor) -> torch.Tensor:
    return value.detach().cpu().contiguous()
