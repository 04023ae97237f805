"""Greedy decoding by settings of our own: of a model's folder come its end and padding alone.

Any other setting there can change an answer or end the run: `stop_strings` needs a tokenizer,
`guidance_scale` asks each question twice, and those against repetition count the padding too, and
so make a text depend on its batch.
"""

from typing import Any

import torch
from transformers import GenerationConfig

from index.errors import CueframeError
from index.finite import not_finite
from index.models.model_loading import load_generation_values

_STARTS = ("bos_token_id", "decoder_start_token_id")
"""With which a decoder begins that has an encoder beside it."""


def own_generation(name: str, flag: str, tokenizer: Any) -> GenerationConfig:
    """Return what a model's `generate` shall go by: its tokens at the beginning and the end.

    Args:
        name: Folder of the model, or name on the hub.
        flag: The flag that names it, for errors.
        tokenizer: Its tokenizer, whose end is taken where the folder names none.

    Raises:
        CueframeError: The folder's file is damaged, or what it names are no tokens.
    """
    values = load_generation_values(name, flag)
    ids = {key: values.get(key) for key in ("eos_token_id", *_STARTS)}
    for key, value in ids.items():
        several = value if isinstance(value, list) else [value]
        if value is not None and not all(type(n) is int and n >= 0 for n in several):
            raise CueframeError(
                f"{name} has {key} {value!r}, not the number of a token or several; fetch or save "
                "it again"
            )
    if ids["eos_token_id"] in (None, []):
        ids["eos_token_id"] = tokenizer.eos_token_id
    return GenerationConfig(pad_token_id=tokenizer.pad_token_id, **ids)


def generate_greedily(name: str, model: Any, inputs: Any, **how: Any) -> Any:
    """Return the output of transformers' `generate`: the likeliest token each time.

    Args:
        name: The model's name, for errors.
        model: A model that was loaded with `own_generation`.
        inputs: Of `infer.readers.still_processor.encode`.
        how: Settings of `GenerationConfig`, such as `max_new_tokens`.

    Raises:
        CueframeError: The likeliest token of a row has no finite number.
    """

    def refuse_not_finite(_written: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
        if not logits.amax(-1).isfinite().all():  # of NaN among others it is NaN
            raise not_finite(name, str(model.dtype))
        return logits

    # What is None here, transformers takes from the model's own, and so from `own_generation`.
    settings = GenerationConfig(do_sample=False, return_dict_in_generate=True, **how)
    inputs = inputs.to(model.device, dtype=model.dtype)
    return model.generate(
        **inputs, generation_config=settings, logits_processor=[refuse_not_finite]
    )
