"""A dual encoder (CLIP and its kin) that turns squares and texts into unit vectors.

B: images of a batch, Q: texts, D: width of a vector, H, W: sides of the square.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
import transformers
import xxhash
from huggingface_hub import snapshot_download
from safetensors import SafetensorError
from transformers import AutoConfig, AutoImageProcessor, AutoModel, AutoTokenizer, PreTrainedModel

from index.errors import CueframeError, ModelError
from index.view import Mode, View, view_of

Dtype = Literal["auto", "float32", "bfloat16", "float16"]


class Encoder:
    """A loaded dual encoder. Make it with `load_encoder`."""

    def __init__(
        self,
        name: str,
        model: PreTrainedModel,
        tokenizer: Any,
        processor: dict[str, Any],
        view: View,
    ) -> None:
        self.name = name
        self.view = view
        self._model: Any = model
        self._tokenizer = tokenizer
        self._padding = "max_length" if model.config.model_type.startswith("siglip") else "longest"
        self._rescale = float(processor["rescale_factor"]) if processor["do_rescale"] else 1.0
        normalize = processor["do_normalize"]
        mean = processor["image_mean"] if normalize else (0.0, 0.0, 0.0)
        std = processor["image_std"] if normalize else (1.0, 1.0, 1.0)
        self._mean = torch.tensor(mean, device=model.device).view(3, 1, 1)
        self._std = torch.tensor(std, device=model.device).view(3, 1, 1)

    @property
    def dtype(self) -> str:
        """What it computes in."""
        return str(self._model.dtype).removeprefix("torch.")

    @property
    def width(self) -> int:
        """D, found by encoding a black square."""
        square = np.zeros((1, self.view.height, self.view.width, 3), dtype=np.uint8)
        return self.images(square).shape[1]

    @property
    def scale(self) -> float:
        """What the model multiplies cosines by before a softmax; 100, CLIP's, where it has none."""
        learned = getattr(self._model, "logit_scale", None)
        return 100.0 if learned is None else float(learned.detach().exp())

    @property
    def max_tokens(self) -> int:
        """Tokens that the text tower reads; what follows is cut."""
        positions = int(self._model.config.text_config.max_position_embeddings)
        return min(positions, int(self._tokenizer.model_max_length))

    @torch.inference_mode()
    def images(self, squares: npt.NDArray[np.uint8]) -> torch.Tensor:
        """Encode (B, H, W, 3) uint8 squares; returns (B, D) float32 unit vectors on the device.

        On a GPU this only queues the work, so that the next batch can be filled meanwhile.
        """
        host = torch.from_numpy(squares)
        if self._model.device.type == "cuda":
            host = host.pin_memory()
        pixels = host.to(self._model.device, non_blocking=True).permute(0, 3, 1, 2)
        pixels = (pixels.float() * self._rescale - self._mean) / self._std  # (B, 3, H, W)
        vectors = self._model.get_image_features(pixel_values=pixels.to(self._model.dtype))
        return F.normalize(vectors.pooler_output.float(), dim=-1)

    @torch.inference_mode()
    def texts(
        self, texts: Sequence[str], batch_size: int = 256
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
        """Encode texts, equal ones once, those of like length together.

        Returns:
            (Q, D) float32 unit vectors, and (Q,) which texts are longer than `max_tokens`.
        """
        unique = list(dict.fromkeys(texts))
        ids = self._tokenizer(unique, verbose=False)["input_ids"]
        lengths = np.array([len(i) for i in ids])
        order = np.argsort(lengths, kind="stable")
        parts = []
        for start in range(0, len(order), batch_size):
            tokens = self._tokenizer(
                [unique[i] for i in order[start : start + batch_size]],
                padding=self._padding,
                truncation=True,
                max_length=self.max_tokens,
                return_tensors="pt",
            ).to(self._model.device)
            vectors = self._model.get_text_features(**tokens).pooler_output.float()
            parts.append(F.normalize(vectors, dim=-1).cpu().numpy())
        back = np.empty(len(order), dtype=np.int64)
        back[order] = np.arange(len(order))
        place = {text: i for i, text in enumerate(unique)}
        rows = np.array([place[text] for text in texts])
        return np.concatenate(parts)[back[rows]], (lengths > self.max_tokens)[rows]


def reach(name: str) -> None:
    """Quieten transformers before it loads a model, and fail at once where that is out of reach.

    Raises:
        OSError, ValueError: The hub has no such model, or is not reached; from_pretrained would
            try for 100 s first.
    """
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    if not Path(name).is_dir():
        snapshot_download(name, allow_patterns="config.json")


def load_encoder(
    name: str, *, dtype: Dtype = "auto", view: Mode | None = None, device: torch.device
) -> tuple[Encoder, str]:
    """Load a dual encoder by its folder or its name on the hub.

    Args:
        name: Folder or name.
        dtype: "auto" is float16 on a GPU, three bits of mantissa more than bfloat16, and float32
            on a CPU.
        view: How a wide frame becomes the square; None as the model's processor says.
        device: Where it computes.

    Returns:
        The encoder and the fingerprint of its vision side.

    Raises:
        ModelError: It cannot be had.
        CueframeError: It is no dual encoder.
    """
    try:
        reach(name)
        config = AutoConfig.from_pretrained(name)
        kind = AutoModel._model_mapping.get(type(config), None)
        if not hasattr(kind, "get_image_features") or not hasattr(kind, "get_text_features"):
            raise CueframeError(
                f"{name} is a {config.model_type} model, not a dual encoder of images and texts; "
                "name a CLIP or SigLIP model with --model"
            )
        model, found = AutoModel.from_pretrained(
            name, dtype=torch.float32, output_loading_info=True
        )
        processor = AutoImageProcessor.from_pretrained(name, backend="pil").to_dict()
        tokenizer = AutoTokenizer.from_pretrained(name)
    except (OSError, ValueError, KeyError, RuntimeError, ImportError, SafetensorError) as error:
        raise ModelError(_not_had(name, error)) from error
    # transformers makes up what is missing: weights by chance, a tokenizer that knows no word.
    if found["missing_keys"]:
        raise CueframeError(
            f"{name} lacks {len(found['missing_keys'])} weights, such as "
            f"{min(found['missing_keys'])}; fetch or save it again"
        )
    if len(tokenizer) < config.text_config.vocab_size // 2:
        raise CueframeError(
            f"the tokenizer of {name} has {len(tokenizer)} of the model's "
            f"{config.text_config.vocab_size} tokens; save the right one there with save_pretrained"
        )
    shape = view_of(processor, view)
    fingerprint = vision_fingerprint(model, processor, shape)
    if dtype == "auto":
        dtype = "float16" if device.type == "cuda" else "float32"
    model = model.eval().to(device=device, dtype=getattr(torch, dtype))
    return Encoder(name, model, tokenizer, processor, shape), fingerprint


def _not_had(name: str, error: Exception) -> str:
    first = str(error).strip().split("\n")[0].rstrip(".")
    if Path(name).is_dir():
        return f"the model folder {name} cannot be loaded: {first}"
    return (
        f"the model {name} is no folder here and cannot be had from the hub: {first}. "
        "Give --model a folder written by save_pretrained"
    )


def vision_fingerprint(model: PreTrainedModel, processor: dict[str, Any], view: View) -> str:
    """What decides an image's vector: vision weights as float32 and effective preprocessing.

    The text side is left out, so that a model whose text tower alone was tuned has the same.
    """
    digest = xxhash.xxh3_128()
    for key, value in model.state_dict().items():
        if key.startswith(("text_", "logit_")) or not value.is_floating_point():
            continue
        digest.update(repr(tuple(value.shape)).encode())
        digest.update(value.float().contiguous().cpu().numpy())
    keys = ("do_rescale", "rescale_factor", "do_normalize", "image_mean", "image_std")
    values = [np.float32(processor[k]).tolist() for k in keys]
    digest.update(repr((values, sorted(view.as_dict().items()))).encode())
    return digest.hexdigest()
