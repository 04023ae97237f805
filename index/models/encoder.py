"""A dual encoder (CLIP and similar models) that turns images and texts into unit vectors.

B: images of a batch, Q: texts, D: width of a vector, H, W: height and width of the model's input.
"""

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
import xxhash

from index.errors import CueframeError
from index.finite import not_finite
from index.models.distilled_folder import load_distilled_model
from index.models.dual_model import DualModel, Side
from index.models.libraries import library_of
from index.models.library_model import load_library_model
from index.models.model_loading import Dtype, in_one_line
from index.models.preprocess import ViewMode


class Encoder:
    """A loaded dual encoder. Make it with `load_encoder`."""

    def __init__(self, model: DualModel) -> None:
        self.model = model
        self.name = model.name
        self.transform = model.transform

    @property
    def dtype(self) -> str:
        """Precision in which it computes."""
        return str(self.model.dtype).removeprefix("torch.")

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return self.model.device

    @cached_property
    def width(self) -> int:
        """D, found by encoding a black image; raises as `check_images`."""
        return self.check_images()

    def check_images(self) -> int:
        """Encode a black image, so that a model and image processor that do not fit are known.

        Returns:
            D.

        Raises:
            CueframeError: They do not fit.
        """
        refuse_text_tower(self.model)
        with in_one_line(self.name, "--model"):
            black = np.zeros((1, self.transform.height, self.transform.width, 3), dtype=np.uint8)
            self._refuse_not_finite(vectors := self.images(black))
        return vectors.shape[1]

    def check_texts(self) -> None:
        """Encode two texts, so that a tokenizer or text tower that cannot is known at once.

        Raises:
            CueframeError: It cannot, or they are one text to it, as to a CLIP whose tokenizer ends
                texts with another token than config.json says.
        """
        with in_one_line(self.name, "--model"):
            vectors, _ = self.texts(["a", "a picture of two cats"])
            self._refuse_not_finite(torch.from_numpy(vectors))
        if (vectors[0] == vectors[1]).all():
            raise CueframeError(
                f"{self.name} gives different texts one vector; its tokenizer, or eos_token_id in "
                "its config.json, is another model's: fetch or save it again"
            )

    def _refuse_not_finite(self, vectors: torch.Tensor) -> None:
        if not vectors.isfinite().all():
            raise not_finite(self.name, self.dtype)

    @cached_property
    def text_width(self) -> int:
        """D, found by encoding a text."""
        return int(self.texts(["a"])[0].shape[1])

    @property
    def scale(self) -> float:
        """Factor on cosines before a softmax: the model's own, or CLIP's 100 if it has none."""
        return self.model.scale

    @property
    def max_tokens(self) -> int:
        """Number of tokens that the text side reads, of several the least; see `DualModel`."""
        return min(side.max_tokens for side in self.model.text_sides())

    @torch.inference_mode()
    def images(self, images: npt.NDArray[np.uint8] | torch.Tensor) -> torch.Tensor:
        """Encode images (B, H, W, 3) uint8; return (B, D) float32 unit vectors on the device.

        On a GPU this only queues the work, so that the next batch can be filled meanwhile. Images
        that are there already are encoded where they are.
        """
        given = images if isinstance(images, torch.Tensor) else torch.from_numpy(images)
        if given.device != self.device:
            given = given.pin_memory().to(self.device, non_blocking=True)
        pixels = given.permute(0, 3, 1, 2)
        return F.normalize(self.model.image_vectors(pixels).float(), dim=-1)

    @torch.inference_mode()
    def texts(
        self, texts: Sequence[str], batch_size: int | None = None
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
        """Encode texts; equal texts are encoded once, texts of similar length share a batch.

        Of a model with several text sides the first reads them all; what is asked goes through
        `infer.query_encoder.encode_texts`, which shares it out.

        Args:
            texts: The texts.
            batch_size: Texts per batch. None: 256 on a GPU, and 32 on a CPU, where 256 texts of
                CLIP's size take 0.4 GB more and a fifth more time.

        Returns:
            (Q, D) float32 unit vectors, and (Q,) bool, True for texts longer than the model reads.
        """
        device = self.model.device
        size = batch_size or (256 if device.type == "cuda" else 32)
        unique = list(dict.fromkeys(texts))
        lengths = np.array(self.model.count_tokens(unique))
        order = np.argsort(lengths, kind="stable")
        parts = []
        for start in range(0, len(order), size):
            tokens = self.model.tokens([unique[i] for i in order[start : start + size]])
            on_device = {key: value.to(device) for key, value in tokens.items()}
            vectors = self.model.text_vectors(on_device).float()
            parts.append(F.normalize(vectors, dim=-1).cpu().numpy())
        back = np.empty(len(order), dtype=np.int64)
        back[order] = np.arange(len(order))
        place = {text: i for i, text in enumerate(unique)}
        rows = np.array([place[text] for text in texts])
        return np.concatenate(parts)[back[rows]], (lengths > self.model.max_tokens)[rows]


def load_encoder(
    name: str, *, dtype: Dtype = "auto", view: ViewMode | None = None, device: torch.device
) -> tuple[Encoder, str]:
    """Load a dual encoder by its folder or its name on the hub.

    Args:
        name: Folder or name.
        dtype: As for `ready_encoder`.
        view: How a wide frame becomes the model's input; None follows the model's processor.
        device: Device to compute on.

    Returns:
        The encoder and the fingerprint of its vision side.

    Raises:
        ModelError: The model is neither a folder nor available from the hub.
        CueframeError: As `load_dual_model` and `ready_encoder`.
    """
    model = load_dual_model(name, view)
    fingerprint = vision_fingerprint(model)
    return ready_encoder(model, dtype=dtype, device=device), fingerprint


def ready_encoder(model: DualModel, *, dtype: Dtype, device: torch.device) -> Encoder:
    """Move a loaded model to a device, and see that it encodes texts.

    Args:
        model: A model with float32 weights on the CPU.
        dtype: "auto" is float16 on a GPU (three more bits of mantissa than bfloat16) and float32
            on a CPU.
        device: Device to compute on.

    Raises:
        CueframeError: It cannot encode a text, or has no room on the device.
    """
    for side in model.text_sides():
        Encoder(side).check_texts()
    return encoder_on(model, dtype=dtype, device=device)


def encoder_on(model: DualModel, *, dtype: Dtype, device: torch.device) -> Encoder:
    """Move a model that is known to encode texts to a device; parameters as of `ready_encoder`.

    Raises:
        CueframeError: It has no room on the device.
    """
    if dtype == "auto":
        dtype = "float16" if device.type == "cuda" else "float32"
    with in_one_line(model.name, "--model"):
        model.module.to(device=device, dtype=getattr(torch, dtype))
    return Encoder(model)


def load_dual_model(name: str, view: ViewMode | None, *, text_only: bool = False) -> DualModel:
    """Load a dual encoder of any library, or a distilled one, with float32 weights on the CPU.

    Args:
        name: Folder, or name on the hub.
        view: How a wide frame becomes the model's input; None follows the model's processor.
        text_only: Leave its vision side out, as far as its library allows, to encode texts alone.

    Raises:
        ModelError: The model is neither a folder nor available from the hub.
        CueframeError: Its library is not installed, or refuses it.
    """
    with in_one_line(name, "--model"):
        library = library_of(name)
    if library == "distilled":
        return load_distilled_model(name, view, text_only=text_only)
    return load_library_model(name, library, view, text_only=text_only)


def add_weights(digest: xxhash.xxh3_128, model: DualModel, side: Side) -> None:
    """Add a side's weights and buffers to a hash, as float32 and in order of place."""
    for name, value in model.module.state_dict().items():
        if value.is_floating_point() and model.side_of(name) == side:
            digest.update(repr(tuple(value.shape)).encode())
            digest.update(value.float().contiguous().cpu().numpy().data)


def refuse_text_tower(model: DualModel) -> None:
    """Refuse a model without a vision side.

    Raises:
        CueframeError: It is one.
    """
    if not model.has_vision:
        raise CueframeError(
            f"{model.name} is a text tower without a vision side, so it encodes no frames; name "
            "the model of images that it belongs to with --model, and this one where an index is "
            "asked, or tuned with --tune text --index"
        )


def vision_fingerprint(model: DualModel) -> str:
    """Hash what determines image vectors: vision weights as float32 and effective preprocessing.

    The text side is left out, so tuning only the text tower of a model does not change it.
    """
    digest = xxhash.xxh3_128()
    with in_one_line(model.name, "--model"):
        add_weights(digest, model, "vision")
        transform = sorted(model.transform.as_dict().items())
        digest.update(repr((model.preprocessing(), transform)).encode())
    return digest.hexdigest()
