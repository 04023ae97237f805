"""Weights between those of two models (WiSE-FT, Wortsman et al. 2022, "Robust fine-tuning of
zero-shot models"): (1 - α)·A + α·B for each, in float32.

The logarithm of the logits' scale is one of them. Weights that are equal in A and B stay as they
are to the bit, so what was frozen in training is still that of both; α = 0 is A to the bit, and
α = 1 is B.
"""

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from index.errors import CueframeError
from index.models.distilled_model import DistilledModel
from index.models.dual_model import DualModel

_TEXTS = (
    "a red bus, and 3 people left of the bridge?",
    "THE QUICK BROWN FOX jumps over the lazy dog; 0123456789 (x=1/2).",
    "Xe tải màu đỏ ở phía trước là xe gì? Đúng hay sai?",
    "東京 🚗 café " * 60,
)
"""By which two tokenizers are compared; the last one is cut."""
_UNIMPORTANT = frozenset(
    "_name_or_path transformers_version dtype torch_dtype architectures use_cache".split()
)
"""What a configuration says of where and how it was saved."""


class Mixer:
    """A model that takes the weights of any α."""

    def __init__(self, a: DualModel, b: DualModel) -> None:
        """Take two models with float32 weights on one device, which stay as they are.

        Raises:
            CueframeError: Their architectures, preprocessing or tokenizers differ.
        """
        refuse_others(a, b)
        self._a, self._b = _weights(a), _weights(b)
        self.model = copy.deepcopy(a)

    @torch.no_grad()
    def set_alpha(self, alpha: float) -> None:
        """Give `model` the weights of an α from 0 to 1."""
        for name, weight in _weights(self.model).items():
            weight.copy_(between(self._a[name], self._b[name], alpha))


def between(a: Tensor, b: Tensor, alpha: float) -> Tensor:
    """Return (1 - α)·a + α·b, of any shape; a to the bit where the two are equal."""
    if alpha in (0, 1):
        return (a, b)[int(alpha)]
    return torch.where(a == b, a, torch.lerp(a, b, alpha))


def _weights(model: DualModel) -> dict[str, Tensor]:
    """Return weights and buffers; whole numbers, such as positions, are the same in both."""
    state = model.module.state_dict()
    return {name: value for name, value in state.items() if value.is_floating_point()}


def refuse_others(a: DualModel, b: DualModel) -> None:
    """Refuse two models that are not of one architecture, preprocessing and tokenizer.

    Raises:
        CueframeError: They are not.
    """
    shapes = [{n: tuple(v.shape) for n, v in one.module.state_dict().items()} for one in (a, b)]
    for what, one, other in (
        ("libraries", a.library, b.library),
        ("architectures", *shapes),
        ("configurations", _configuration(a), _configuration(b)),
        ("preprocessing of pictures", _preprocessing(a), _preprocessing(b)),
        ("tokenizers", _tokens(a), _tokens(b)),
    ):
        if one != other:
            raise CueframeError(
                f"{a.name} and {b.name} have different {what}{_where(one, other)}; name two models "
                "of which one was trained from the other, or both from a third"
            )


def _configuration(model: DualModel) -> Any:
    own = [model.settings] if isinstance(model, DistilledModel) else []
    return {"of the model": _important(model.configuration()), "distilled": own}


def _important(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _important(own) for key, own in value.items() if key not in _UNIMPORTANT}
    return [*map(_important, value)] if isinstance(value, list | tuple) else value


def _preprocessing(model: DualModel) -> Any:
    return {**model.transform.as_dict(), "pixels": model.preprocessing()}


def _tokens(model: DualModel) -> Any:
    return [
        (side.max_tokens, {name: ids.tolist() for name, ids in side.tokens(_TEXTS).items()})
        for side in model.text_sides()
    ]


def _where(one: Any, other: Any) -> str:
    """Name the first entry in which two tables differ, at whatever depth; "" for other values."""
    if not (isinstance(one, Mapping) and isinstance(other, Mapping)):
        return ""
    name = next(
        n for n in (*one, *other) if one.get(n) != other.get(n) or (n in one) != (n in other)
    )
    mine, theirs = one.get(name), other.get(name)
    if isinstance(mine, Mapping) and isinstance(theirs, Mapping):
        return _where(mine, theirs)
    return f" ({name}: {mine} and {theirs})" if len(f"{mine}{theirs}") < 80 else f" ({name})"
