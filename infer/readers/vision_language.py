"""Answer questions from frames with a vision-language model: letter probabilities or free text.

Legend: B questions of a batch, C choices of a question, V tokens of the vocabulary.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from transformers import AutoModelForImageTextToText

from index.errors import CueframeError
from index.finite import not_finite
from index.memory import explain_out_of_memory
from index.model_loading import Dtype, in_one_line, load_config, load_weights
from infer.choices import LETTERS
from infer.readers.prompts import Prompt, ask, frame_labels
from infer.readers.still_processor import FLAG, encode, load_still_processor, render

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
class ReaderInput:
    """A question and the frames shown with it."""

    frames: Sequence[Image.Image]
    """In order of time, one at least; several questions may share them."""
    times_s: Sequence[float]
    """Time of each frame in seconds."""
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
        CueframeError: It cannot be loaded or held in memory, reads no images and texts, has no chat
            template that shows images, or thinks before it answers.
    """
    config = load_config(name, FLAG)
    if type(config) not in AutoModelForImageTextToText._model_mapping:
        raise CueframeError(
            f"{name} is a {config.model_type} model, which does not read images and texts; "
            "name a vision-language model such as Qwen/Qwen2.5-VL-3B-Instruct with --reader"
        )
    # The processor first: if it cannot be loaded, no weights are fetched.
    processor = load_still_processor(name, config)
    with in_one_line(name, FLAG):
        letters = letter_tokens(processor.tokenizer, render(processor, [""], "?"), name)
    model = load_weights(
        AutoModelForImageTextToText,
        name,
        FLAG,
        dtype=_dtype(dtype, device_map),
        device_map=device_map,
    )
    return Reader(name, model, processor, letters)


def _dtype(dtype: Dtype, device_map: torch.device | Literal["auto"]) -> torch.dtype:
    if dtype != "auto":
        kind: torch.dtype = getattr(torch, dtype)
        return kind
    on_gpu = torch.cuda.is_available() and (device_map == "auto" or device_map.type == "cuda")
    # Where bfloat16 is only emulated, float32 is faster.
    native = on_gpu and torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.bfloat16 if native else torch.float32


def letter_tokens(tokenizer: Any, chat: str, name: str) -> dict[str, list[int]]:
    """Return the tokens of each letter at the beginning of an answer.

    They are the tokens that the tokenizer adds when the letter, or a space and the letter, follows
    the chat, provided that it is a single token. If the chat's own tokens would change, the letter
    is tokenized on its own.

    Args:
        tokenizer: The model's tokenizer.
        chat: A chat that ends where the answer begins.
        name: The model's name, for errors.

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
    reader: Reader, prompt: Prompt, batch: Sequence[ReaderInput]
) -> list[npt.NDArray[np.float64]]:
    """Return the probability that each choice's letter is the next token.

    That is the softmax over the vocabulary, summed over the letter's tokens and divided by the
    sum over the question's letters. The other questions of the batch change only the last digits.

    Returns:
        (C,) for each question, with sum 1.

    Raises:
        CueframeError: Out of memory, or the numbers are not finite.
    """
    with explain_out_of_memory(LOWER):
        # By `generate`, since each kind of model counts the positions of padded rows its own way.
        logits = _generate(
            reader, prompt, batch, max_new_tokens=1, use_cache=False, output_logits=True
        ).logits[0]  # (B, V)
        logits = logits.cpu().double()
    probabilities = []
    for row, shown in zip(logits, batch, strict=True):
        tokens = [reader.letters[letter] for letter, _ in shown.choices]
        # The vocabulary's sum cancels in the ratio, so it need not be computed.
        own = torch.stack([row[ids].logsumexp(0) for ids in tokens])  # (C,)
        probabilities.append(own.softmax(0).numpy())
        if not np.isfinite(probabilities[-1]).all():
            raise not_finite(f"the reader {reader.name}", str(reader.model.dtype))
    return probabilities


@torch.inference_mode()
def generate(
    reader: Reader, prompt: Prompt, batch: Sequence[ReaderInput], max_new_tokens: int
) -> list[str]:
    """Return the model's text in answer to each question, by greedy decoding.

    Its folder's settings against repetition are turned off: they would count the padding too, and
    so make a text depend on the batch.

    Raises:
        CueframeError: Out of memory.
    """
    with explain_out_of_memory(LOWER):
        written = _generate(reader, prompt, batch, max_new_tokens=max_new_tokens).sequences
    texts = reader.processor.tokenizer.batch_decode(written, skip_special_tokens=True)
    return [text.strip() for text in texts]


def _generate(reader: Reader, prompt: Prompt, batch: Sequence[ReaderInput], **how: Any) -> Any:
    """Return the output of transformers' `generate`, its `sequences` without the chats."""
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
