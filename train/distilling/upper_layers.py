"""A text encoder of which the upper layers alone are run, on what the lower ones gave once.

Works for any model of transformers whose layers are one ModuleList: while a block lasts, the lower
layers hand their input on, and the lowest of the upper ones gets the kept states in place of its
own. That the vectors are those of the whole model is proved on the texts themselves.

Legend: n texts, B of a batch, L tokens of the longest of these, H width of a hidden state, D of a
vector.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from index.errors import CueframeError
from index.models.proof import MOST_DIFFERENCE
from index.models.sentence_model import SentenceModel
from index.progress import bar

_BATCH = 32
"""Texts that go through the lower layers at once."""
_PROVED = 8
"""Texts whose vectors are compared with those of the whole model."""


class NotTunableError(CueframeError):
    """The student's upper layers cannot be run by themselves."""


class UpperLayers:
    """The upper layers of a student, with the states of n texts below them."""

    def __init__(self, student: SentenceModel, count: int, texts: Sequence[str]) -> None:
        """Run the lower layers once for each text.

        Args:
            student: Its weights in float32; not changed by this.
            count: Number of upper layers.
            texts: The n ≥ 1 texts; one that is too long is cut.

        Raises:
            NotTunableError: The model has no such layers, or they alone do not give its vectors.
            CueframeError: It has fewer than `count`.
        """
        self.student = student
        self._texts = list(texts)
        layers = _layers_of(student)
        if count > len(layers):
            raise CueframeError(
                f"--tune-student is {count}, and {student.name} has {len(layers)} layers; give "
                "fewer"
            )
        self._lower, self._upper = layers[: len(layers) - count], layers[len(layers) - count :]
        student.module.requires_grad_(False)
        self.learning = [
            own.requires_grad_() for layer in self._upper for own in layer.parameters()
        ]
        self._before = [own.detach().clone() for own in self.learning]
        self._states: list[Tensor] = [torch.empty(0)] * len(self._texts)
        by_length = sorted(range(len(texts)), key=lambda n: len(texts[n]))
        starts = range(0, len(by_length), _BATCH)
        for start in bar(starts, "batch", len(starts)):
            self._keep(by_length[start : start + _BATCH])
        self._prove(by_length[:: -(-len(by_length) // _PROVED)])

    def vectors(self, numbers: Sequence[int]) -> Tensor:
        """Return (B, D) float32 unit vectors of some of the texts, on the student's device."""
        tokens, mask = self._tokens(numbers)
        own = [self._states[n].to(self.student.device) for n in numbers]
        states = own[0].new_zeros(*mask.shape, own[0].shape[-1])  # (B, L, H)
        states[mask] = torch.cat(own)
        with _from_states(self._lower, self._upper[0], states):
            return F.normalize(self.student.text_vectors(tokens).float(), dim=-1)

    @torch.no_grad()
    def all_vectors(self, numbers: Sequence[int]) -> Tensor:
        """Return (n, D) unit vectors of any number of the texts, on the CPU."""
        parts = [
            self.vectors(numbers[start : start + _BATCH]).cpu()
            for start in range(0, len(numbers), _BATCH)
        ]
        return torch.cat(parts)

    @torch.no_grad()
    def restore(self) -> None:
        """Give the upper layers the weights that they had at first."""
        for own, before in zip(self.learning, self._before, strict=True):
            own.copy_(before)

    def _tokens(self, numbers: Sequence[int]) -> tuple[dict[str, Tensor], Tensor]:
        """Return the tokens of some texts, and (B, L) bool which of them are no padding."""
        device = self.student.device
        tokens = self.student.tokens([self._texts[n] for n in numbers])
        tokens = {name: values.to(device) for name, values in tokens.items()}
        return tokens, tokens["attention_mask"].bool()

    @torch.no_grad()
    def _keep(self, numbers: Sequence[int]) -> None:
        tokens, mask = self._tokens(numbers)
        found: list[Tensor] = []

        def keep(_layer: nn.Module, given: tuple[Any, ...], _named: dict[str, Any]) -> None:
            if not given or given[0].shape[:2] != mask.shape:
                raise _not_tunable(self.student.name)
            found.append(given[0])

        hook = self._upper[0].register_forward_pre_hook(keep, with_kwargs=True)
        try:
            self.student.text_vectors(tokens)
        finally:
            hook.remove()
        for n, states, own in zip(numbers, found[0], mask, strict=True):
            self._states[n] = states[own].cpu()

    def _prove(self, numbers: Sequence[int]) -> None:
        try:
            ours = self.all_vectors(numbers)
        except (AttributeError, IndexError, RuntimeError, TypeError, ValueError) as error:
            raise _not_tunable(self.student.name) from error
        tokens, _ = self._tokens(numbers)
        with torch.no_grad():
            whole = F.normalize(self.student.text_vectors(tokens).float(), dim=-1).cpu()
        spread = float((whole - whole.mean(dim=0)).norm(dim=-1).mean())
        if float((ours - whole).norm(dim=-1).max()) > MOST_DIFFERENCE * spread + 1e-6:
            raise _not_tunable(self.student.name)


def _layers_of(student: SentenceModel) -> list[nn.Module]:
    """Return the layers of a student's transformer, the lowest first."""
    model = student.module[0].model
    count = getattr(model.config.get_text_config(), "num_hidden_layers", None)
    found = [
        part for part in model.modules() if isinstance(part, nn.ModuleList) and len(part) == count
    ]
    if len(found) != 1:
        raise _not_tunable(student.name)
    return [*found[0]]


@contextmanager
def _from_states(lower: Sequence[nn.Module], first: nn.Module, states: Tensor) -> Iterator[None]:
    """Run no lower layer, and give the first upper one these states (B, L, H)."""

    def instead(
        _layer: nn.Module, given: tuple[Any, ...], named: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        return (states, *given[1:]), named

    hook = first.register_forward_pre_hook(instead, with_kwargs=True)
    for layer in lower:
        layer.forward = _handed_on
    try:
        yield
    finally:
        for layer in lower:
            del layer.forward  # the class's own is seen again
        hook.remove()


def _handed_on(states: Tensor, *_given: Any, **_named: Any) -> Tensor:
    return states


def _not_tunable(name: str) -> NotTunableError:
    return NotTunableError(
        f"{name} is no stack of layers of which the upper ones can be tuned; use --head ridge"
    )
