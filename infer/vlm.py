"""A vision-language model answers questions from frames: a letter's probability, or free text.

Legend: B questions of a batch, C choices of a question, V tokens of the vocabulary.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from safetensors import SafetensorError
from transformers import AutoConfig, AutoModelForImageTextToText

from index.encoder import Dtype, reach
from index.errors import CueframeError
from index.shortage import naming_memory
from infer.choices import LETTERS
from infer.prompts import Prompt, ask, frame_labels
from infer.stills import encode, load_processor, render

LOWER = "--reader-batch"
"""The flag that bounds B."""


@dataclass(frozen=True)
class Reader:
    """A model, its processor, and the tokens by which it names a choice. From `load_reader`."""

    name: str
    model: Any
    processor: Any
    letters: dict[str, list[int]]
    """The token ids of each letter from A to Z; see `letter_tokens`."""


@dataclass(frozen=True)
class Shown:
    """A question and what is shown with it."""

    frames: Sequence[Image.Image]
    """In order of time, one at least; several questions may share them."""
    times_s: Sequence[float]
    """Of each frame in seconds."""
    question: str
    choices: Sequence[tuple[str, str]] = ()
    """Letters and texts from `infer.choices.lettered`; none for `generate`."""


def load_reader(
    name: str, *, dtype: Dtype = "auto", device_map: torch.device | Literal["auto"]
) -> Reader:
    """Load a reader by its folder or its name on the hub.

    Args:
        name: Folder or name of what `AutoModelForImageTextToText` loads.
        dtype: "auto" is bfloat16 on a GPU that computes in it, else float32.
        device_map: One device, or "auto" to spread the model over all there are.

    Raises:
        CueframeError: It cannot be had or held in memory, reads no images and texts, has no chat
            template that shows images, or thinks before it answers.
    """
    try:
        reach(name)
        config = AutoConfig.from_pretrained(name)
        if type(config) not in AutoModelForImageTextToText._model_mapping:
            raise CueframeError(
                f"{name} is a {config.model_type} model, which does not read images and texts; "
                "name a vision-language model such as Qwen/Qwen2.5-VL-3B-Instruct with --reader"
            )
        # The processor first: where it cannot be had, no weights are fetched.
        processor = load_processor(name, config)
        letters = letter_tokens(processor.tokenizer, render(processor, [""], "?"), name)
        with naming_memory("--dtype, spread it with --device-map auto, or name a smaller --reader"):
            loaded: Any = AutoModelForImageTextToText.from_pretrained(
                name,
                dtype=_dtype(dtype, device_map),
                device_map=device_map,
                output_loading_info=True,
            )
    except ImportError as error:
        raise CueframeError(
            f"the reader {name} needs a package that is not installed ({_first_line(error)}); "
            "install it, or name another --reader"
        ) from error
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise CueframeError(
            f"the reader {name} cannot be had ({_first_line(error)}); give --reader a folder "
            "written by save_pretrained, or a name on the hub"
        ) from error
    model, found = loaded
    if found["missing_keys"]:
        raise CueframeError(
            f"the reader {name} lacks {len(found['missing_keys'])} weights, such as "
            f"{min(found['missing_keys'])}; fetch or save it again"
        )
    return Reader(name, model.eval(), processor, letters)


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0].rstrip(".")


def _dtype(dtype: Dtype, device_map: torch.device | Literal["auto"]) -> torch.dtype:
    if dtype != "auto":
        kind: torch.dtype = getattr(torch, dtype)
        return kind
    on_gpu = torch.cuda.is_available() and (device_map == "auto" or device_map.type == "cuda")
    # Where bfloat16 is but emulated, float32 is faster.
    native = on_gpu and torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.bfloat16 if native else torch.float32


def letter_tokens(tokenizer: Any, chat: str, name: str) -> dict[str, list[int]]:
    """The tokens that stand for each letter where an answer begins.

    They are what the tokenizer adds to the chat when the letter, or a space and the letter, is
    written after it, each where that is one token. Where the chat's last token would change, the
    variant is tokenized on its own.

    Args:
        tokenizer: The model's.
        chat: One that ends where the answer begins.
        name: The model, for errors.

    Raises:
        CueframeError: A letter has no token of its own, or the model thinks first.
    """
    if chat.rstrip().endswith("<think>"):
        raise CueframeError(
            f"{name} thinks before it answers, so its next token is no letter; name an instruct "
            "model with --reader"
        )

    def ids(text: str) -> list[int]:
        found: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
        return found

    before = ids(chat)
    tokens: dict[str, list[int]] = {}
    for letter in LETTERS:
        own = set()
        for said in (letter, " " + letter):
            full = ids(chat + said)
            added = full[len(before) :] if full[: len(before)] == before else ids(said)
            if len(added) == 1:
                own.add(added[0])
        if not own or any(own & set(other) for other in tokens.values()):
            raise CueframeError(
                f"the tokenizer of {name} has no token of its own for the letter {letter}; name "
                "another model with --reader"
            )
        tokens[letter] = sorted(own)
    return tokens


@torch.inference_mode()
def letter_probabilities(
    reader: Reader, prompt: Prompt, batch: Sequence[Shown]
) -> list[npt.NDArray[np.float64]]:
    """How likely each choice's letter is the next token, of all the question's letters.

    That is the softmax over the vocabulary, summed over the letter's tokens and divided by the
    sum over the question's letters. Which other questions are in the batch changes nothing but the
    last digits.

    Returns:
        (C,) for each question, with sum 1.

    Raises:
        CueframeError: Out of memory, or the numbers are not finite.
    """
    with naming_memory(LOWER):
        # By `generate`, since each kind of model counts the positions of padded rows its own way.
        logits = _generate(
            reader, prompt, batch, max_new_tokens=1, use_cache=False, output_logits=True
        ).logits[0]  # (B, V)
        logits = logits.cpu().double()
    probabilities = []
    for row, shown in zip(logits, batch, strict=True):
        tokens = [reader.letters[letter] for letter, _ in shown.choices]
        # The vocabulary's sum is in numerator and denominator, so it need not be computed.
        own = torch.stack([row[ids].logsumexp(0) for ids in tokens])  # (C,)
        probabilities.append(own.softmax(0).numpy())
        if not np.isfinite(probabilities[-1]).all():
            raise CueframeError(
                f"the reader {reader.name} computes no finite numbers in "
                f"{str(reader.model.dtype).removeprefix('torch.')}; choose another --dtype, or "
                "fetch or save it again"
            )
    return probabilities


@torch.inference_mode()
def generate(
    reader: Reader, prompt: Prompt, batch: Sequence[Shown], max_new_tokens: int
) -> list[str]:
    """What the model writes in answer to each question, the likeliest token each time.

    Settings of its folder against repetition are left out: they would count the padding too, and
    so make a text depend on the batch.

    Raises:
        CueframeError: Out of memory.
    """
    with naming_memory(LOWER):
        written = _generate(reader, prompt, batch, max_new_tokens=max_new_tokens).sequences
    texts = reader.processor.tokenizer.batch_decode(written, skip_special_tokens=True)
    return [text.strip() for text in texts]


def _generate(reader: Reader, prompt: Prompt, batch: Sequence[Shown], **how: Any) -> Any:
    """What `generate` of transformers returns, its `sequences` without the chats."""
    processor, model = reader.processor, reader.model
    chats = [
        render(processor, frame_labels(prompt, one.times_s), ask(prompt, one.question, one.choices))
        for one in batch
    ]
    inputs = encode(processor, chats, [one.frames for one in batch])
    inputs = inputs.to(model.device, dtype=model.dtype)
    out = model.generate(
        **inputs,
        **how,
        do_sample=False,
        num_beams=1,
        repetition_penalty=1.0,
        no_repeat_ngram_size=0,
        return_dict_in_generate=True,
        pad_token_id=processor.tokenizer.pad_token_id,
    )
    if not model.config.is_encoder_decoder:
        out.sequences = out.sequences[:, inputs["input_ids"].shape[1] :]
    return out
