"""The last layers of a tower, in a model of any library.

Frozen lower layers store no activations. What learns with the last N layers is what their output
goes through: the norm, the pooling and the projection after them. That is found by running the
model once with the graph cut before these layers: weights that still get a gradient come after it.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from index.errors import CueframeError
from index.models.dual_model import DualModel
from train.tune import Tower


def weights_of_last_layers(dual: DualModel, tower: Tower, count: int) -> set[str]:
    """Return the names of the weights of a tower's last layers, and of what comes after them.

    Args:
        dual: The model, in eval mode; each of its weights requires a gradient afterwards.
        tower: One of its towers.
        count: Number of layers, 1 or more.

    Raises:
        CueframeError: The tower has fewer, or is no stack of layers that are run one by one.
    """
    layers = _layers_of(dual, tower)
    if not layers:
        raise _no_stack(dual, tower, count)
    if count > len(layers):
        raise CueframeError(
            f"--tune {tower}:last{count} wants more layers than the {len(layers)} that the {tower} "
            f"side of {dual.name} has; give at most last{len(layers)}, or --tune {tower}"
        )
    dual.module.requires_grad_(True)
    weights = dict(dual.module.named_parameters())
    with torch.enable_grad(), _cut_before(layers, len(layers) - count) as ran:
        vector = _some_vector(dual, tower).sum()
    if ran != [*range(len(layers))]:
        raise _no_stack(dual, tower, count)
    gradients: tuple[Tensor | None, ...] = torch.autograd.grad(
        vector, [*weights.values()], allow_unused=True
    )
    return {name for name, own in zip(weights, gradients, strict=True) if own is not None}


def _layers_of(dual: DualModel, tower: Tower) -> list[nn.Module] | None:
    """Return the layers of a tower, the lowest first; None if it has not one list of them."""
    found: dict[str, list[nn.Module]] = {}
    for name, part in dual.module.named_modules():
        if isinstance(part, nn.ModuleList | nn.Sequential) and not any(
            name.startswith(f"{outer}.") for outer in found
        ):
            weights = [f"{name}.{own}".lstrip(".") for own, _ in part.named_parameters()]
            sides = {dual.side_of(weight) for weight in weights}
            projects = any(map(dual.is_projection, weights))
            if (
                tower in sides <= {tower, "unused"}
                and not projects
                and len({type(layer) for layer in part}) == 1
            ):
                found[name] = [*part]
    return next(iter(found.values())) if len(found) == 1 else None


@contextmanager
def _cut_before(layers: Sequence[nn.Module], first: int) -> Iterator[list[int]]:
    """Detach what the layer of number `first` gets; yield the numbers of the layers as they run."""
    ran: list[int] = []

    def hook_of(number: int) -> Any:
        def hook(_layer: nn.Module, given: tuple[Any, ...], named: dict[str, Any]) -> Any:
            ran.append(number)
            if number != first:
                return None
            return tuple(map(_detached, given)), {k: _detached(v) for k, v in named.items()}

        return hook

    hooks = [
        layer.register_forward_pre_hook(hook_of(number), with_kwargs=True)
        for number, layer in enumerate(layers)
    ]
    try:
        yield ran
    finally:
        for hook in hooks:
            hook.remove()


def _detached(value: Any) -> Any:
    return value.detach() if isinstance(value, Tensor) else value


def _some_vector(dual: DualModel, tower: Tower) -> Tensor:
    """Encode a text or a black picture; return (1, D)."""
    if tower == "text":
        tokens = dual.tokens(["a"])
        return dual.text_vectors({name: ids.to(dual.device) for name, ids in tokens.items()})
    size = (1, 3, dual.transform.height, dual.transform.width)
    return dual.image_vectors(torch.zeros(size, dtype=torch.uint8, device=dual.device))


def _no_stack(dual: DualModel, tower: Tower, count: int) -> CueframeError:
    return CueframeError(
        f"--tune {tower}:last{count} cannot tell the layers of {dual.name} apart, whose {tower} "
        f"side is no single stack of them; choose --tune {tower}, or --lora-rank"
    )
