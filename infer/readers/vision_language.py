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
from index.models.model_loading import Dtype, in_one_line, load_config, load_weights
from infer.choices import LETTERS
from infer.readers.context_length import refuse_long_chat, refuse_long_text
from infer.readers.generation import generate_greedily, own_generation
from infer.readers.prompts import Prompt, ask, frame_labels
from infer.readers.still_processor import (
    FLAG,
    encode,
    load_still_processor,
    plainest_input,
    render,
)

LOWER = "--reader-batch or --reader-side"
"""The flags that bound B and the sizes of frames."""


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
            template that shows images, thinks before it answers, or computes no finite numbers.
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
        generation=own_generation(name, FLAG, processor.tokenizer),
    )
    reader = Reader(name, model, processor, letters)
    with in_one_line(name, FLAG):
        _refuse_mute(reader)
    return reader


@torch.inference_mode()
def _refuse_mute(reader: Reader) -> None:
    """Ask about black frames: what fails from now on is due to a question."""
    chat = render(reader.processor, ["", ""], "?")
    _generate(reader, plainest_input(reader.processor, chat), max_new_tokens=1)


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
        CueframeError: Out of memory, numbers that are not finite, or a question that is too long;
            of which question is not said, so ask each alone to know.
    """
    with explain_out_of_memory(LOWER):
        # By `generate`, since each kind of model counts the positions of padded rows its own way.
        inputs = _inputs(reader, prompt, batch, 1)
        out = _generate(reader, inputs, max_new_tokens=1, use_cache=False, output_logits=True)
        logits = out.logits[0]  # (B, V)
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

    Raises:
        CueframeError: As `letter_probabilities`.
    """
    with explain_out_of_memory(LOWER):
        inputs = _inputs(reader, prompt, batch, max_new_tokens)
        written = _generate(reader, inputs, max_new_tokens=max_new_tokens).sequences
    if not reader.model.config.is_encoder_decoder:
        written = written[:, inputs["input_ids"].shape[1] :]  # the chat comes before
    texts = reader.processor.tokenizer.batch_decode(written, skip_special_tokens=True)
    return [text.strip() for text in texts]


def _inputs(reader: Reader, prompt: Prompt, batch: Sequence[ReaderInput], new_tokens: int) -> Any:
    """Return the model's input on the CPU, if each question of the batch fits into its context."""
    asked = [ask(prompt, one.question, one.choices) for one in batch]
    for text in asked:
        refuse_long_text(text)
    chats = [
        render(reader.processor, frame_labels(prompt, one.times_s), text)
        for one, text in zip(batch, asked, strict=True)
    ]
    inputs = encode(reader.processor, chats, [one.frames for one in batch])
    longest = int(inputs["attention_mask"].sum(1).max())
    refuse_long_chat(reader.name, reader.model.config, longest, new_tokens)
    return inputs


def _generate(reader: Reader, inputs: Any, **how: Any) -> Any:
    return generate_greedily(f"the reader {reader.name}", reader.model, inputs, **how)
