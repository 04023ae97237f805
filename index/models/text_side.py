"""The text side of a model of transformers alone: its vision side is planned and never made.

transformers plans a model without memory and then gives each weight its values. Here the parts that
no text needs leave the plan before that, so that nothing of them is read, and the text side is
loaded as it always is.
"""

from typing import Any

from torch import nn
from transformers import PreTrainedConfig, PreTrainedModel

from index.models.families import family_of, side_of


def without_vision(kind: type[PreTrainedModel]) -> type[PreTrainedModel]:
    """Return a class of models like `kind`, but without the parts that no text needs."""
    plan: Any = kind  # a base class that is not known before

    class TextSide(plan):  # type: ignore[misc]  # of any class
        def __init__(self, config: PreTrainedConfig, *args: Any, **how: Any) -> None:
            super().__init__(config, *args, **how)
            parts = parts_without_text(self)
            for name in parts:
                delattr(self, name)
            tied = getattr(self, "all_tied_weights_keys", {})
            for weight in [weight for weight in tied if weight.split(".")[0] in parts]:
                del tied[weight]

        def _init_weights(self, module: nn.Module) -> None:
            # Of the model as such it begins the parts anew that a file lacks; they are refused.
            if module is not self:
                super()._init_weights(module)

    # transformers knows by the name which weights of older files are named otherwise.
    TextSide.__name__, TextSide.__qualname__ = kind.__name__, kind.__qualname__
    TextSide.__module__ = kind.__module__
    text_side: type[PreTrainedModel] = TextSide
    return text_side


def parts_without_text(model: PreTrainedModel) -> set[str]:
    """Return the names of the modules and weights, at a model's top, that no text needs."""
    family = family_of(model.config)
    sides: dict[str, set[str]] = {}
    for weight in model.state_dict():
        sides.setdefault(weight.split(".")[0], set()).add(side_of(family, weight))
    return {name for name, of_part in sides.items() if of_part <= {"vision", "unused"}}
