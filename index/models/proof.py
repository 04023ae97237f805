"""Proof that our vectors of pictures and texts are those of the model's own preparation.

A processor can do something that we do not know of, and a library can change what it does. So two
pictures and two texts go both ways, in float32, and the ways may differ by a hundredth of the
distance between the two. A wrong mean, filter, channel order or template is off by far more; a
right one by the rounding of float32 (measured on small models of the families in docs/models.md: at
most 2e-6).

B: pictures or texts, D: width of a vector.
"""

from collections.abc import Callable, Sequence

import numpy as np
import torch
import torch.nn.functional as F
import xxhash
from PIL import Image
from torch import Tensor

from index.errors import CueframeError
from index.finite import not_finite
from index.messages import say
from index.models.dual_model import DualModel
from index.models.encoder import add_weights
from index.models.model_loading import in_one_line

MOST_DIFFERENCE = 0.01
"""Of the distance between the two pictures, or the two texts."""
_TEXTS = ("a red bus", "two people and a dog left of the bridge")
_SIZES = ((448, 252), (150, 600))
"""Width and height of the pictures: 16:9, and upright and long. Models without a view of their own
get two of the size of their input."""


def prove(model: DualModel) -> None:
    """Prove the sides that a model has; raises as `prove_images`."""
    prove_texts(model)
    if model.has_vision:
        prove_images(model)


def prove_images(model: DualModel) -> float | None:
    """Compare our image vectors with the model's own, where its weights are float32.

    Another view that was chosen for frames plays no part: the model's own is compared.

    Returns:
        The difference as a share of the pictures' distance; None if a package that the model's own
        preparation needs is not installed, with a line on stderr.

    Raises:
        CueframeError: It is above `MOST_DIFFERENCE`.
    """
    pictures = _pictures(model)
    return _proved(
        model,
        "pictures",
        lambda: _image_vectors(model, pictures),
        lambda: model.own_image_vectors(pictures),
    )


@torch.inference_mode()
def picture_vectors(model: DualModel) -> Tensor:
    """Return our unit vectors (2, D) of the two pictures, by which a vision side is known again."""
    with in_one_line(model.name, "--model"):
        return F.normalize(_image_vectors(model, _pictures(model)).float(), dim=-1)


def are_apart(vectors: Tensor, others: Tensor) -> bool:
    """Return whether vectors (2, D) differ by more than a proof allows, or in width."""
    if vectors.shape != others.shape:
        return True
    distance = float((others[0] - others[1]).norm())
    return float((vectors - others).norm(dim=-1).max()) > MOST_DIFFERENCE * distance


def _pictures(model: DualModel) -> list[Image.Image]:
    transform = model.own_transform or model.transform
    sizes = _SIZES if model.own_transform else ((transform.width, transform.height),) * 2
    return [structured_picture(*size, seed) for seed, size in enumerate(sizes)]


def _image_vectors(model: DualModel, pictures: Sequence[Image.Image]) -> Tensor:
    transform = model.own_transform or model.transform
    pixels = np.stack([transform.apply(one) for one in pictures])
    return model.image_vectors(torch.from_numpy(pixels).permute(0, 3, 1, 2))


def prove_texts(model: DualModel) -> float | None:
    """Compare our text vectors with the model's own, as `prove_images` does, on each text side."""
    differences = [_proved_texts(side) for side in model.text_sides()]
    known = [one for one in differences if one is not None]
    return max(known) if len(known) == len(differences) else None


def _proved_texts(model: DualModel) -> float | None:
    def ours() -> Tensor:
        return model.text_vectors(model.tokens(_TEXTS))

    return _proved(model, "texts", ours, lambda: model.own_text_vectors(_TEXTS))


def structured_picture(width: int, height: int, seed: int) -> Image.Image:
    """Draw a picture with colours, edges and fine grain, which no filter or crop leaves as it is.

    Every channel differs from the others, and no side is like the opposite one.
    """
    rng = np.random.default_rng(seed)
    x, y = np.meshgrid(np.linspace(0, 1, width), np.linspace(0, 1, height))
    waves = [np.sin(2 * np.pi * (a * x + b * y + c)) for a, b, c in rng.uniform(1, 6, size=(3, 3))]
    levels = np.stack(waves, axis=-1) * 60 + 90 * np.stack([x, y, 1 - x], axis=-1) + 60
    levels[(x - 0.3) ** 2 + (y - 0.6) ** 2 < 0.04] = rng.integers(256, size=3)
    levels += rng.normal(0, 20, size=levels.shape)
    return Image.fromarray(levels.clip(0, 255).astype(np.uint8))


def text_fingerprint(model: DualModel) -> str:
    """Hash what determines the text vectors that are compared: text weights, and our tokens.

    Where texts are shared out among sides, those of each.
    """
    digest = xxhash.xxh3_128()
    for side in model.text_sides():
        with in_one_line(side.name, "--model"):
            add_weights(digest, side, "text")
            tokens = {name: ids.tolist() for name, ids in side.tokens(_TEXTS).items()}
            digest.update(repr(sorted(tokens.items())).encode())
    return digest.hexdigest()


@torch.inference_mode()
def _proved(
    model: DualModel, side: str, ours: Callable[[], Tensor], own: Callable[[], Tensor]
) -> float | None:
    with in_one_line(model.name, "--model"):
        mine = F.normalize(ours().float(), dim=-1)  # (2, D)
        try:
            theirs = F.normalize(own().float(), dim=-1)  # (2, D)
        except ImportError as error:
            first = str(error).strip().split("\n")[0]
            say(f"not proved that the {side} of {model.name} are encoded as its own: {first}")
            return None
    if not (mine.isfinite().all() and theirs.isfinite().all()):
        raise not_finite(model.name, "float32")
    distance = float((theirs[0] - theirs[1]).norm())
    off = float((mine - theirs).norm(dim=-1).max())
    if off > MOST_DIFFERENCE * distance:
        share = f"{100 * off / distance:.0f} % of" if distance else "more than"
        raise CueframeError(
            f"the vectors of {side} that Cueframe computes are not those of {model.name} by its "
            f"own processor: they are off by {share} the distance between two {side}; name another "
            "--model, or another version of its library"
        )
    return off / distance if distance else 0.0
