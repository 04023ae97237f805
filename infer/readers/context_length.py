"""What a reader can take in: a longer question is refused, since its model would not say a word."""

from typing import Any

from transformers import PreTrainedConfig

from index.errors import CueframeError
from infer.texts.clean_text import MAX_TEXT_CHARS

_MOST_CHARACTERS = 2 * MAX_TEXT_CHARS
"""As for the texts of an encoder: to split 5 million into tokens takes a minute."""
_EXTENDED = ("yarn", "dynamic")
"""Kinds of RoPE that read further than they were taught to; others count that in already."""


def context_length(config: PreTrainedConfig) -> int | None:
    """Return how many tokens a model reads and writes together, or None where it does not say."""
    text = config.get_text_config(decoder=True)
    taught = getattr(text, "max_position_embeddings", None)
    if not isinstance(taught, int):
        return None
    rope: dict[str, Any] = getattr(text, "rope_parameters", None) or {}
    kinds = [rope, *(part for part in rope.values() if isinstance(part, dict))]
    extended = [
        round(kind["factor"] * kind.get("original_max_position_embeddings", taught))
        for kind in kinds
        if kind.get("rope_type") in _EXTENDED
    ]
    return int(max([taught, *extended]))


def refuse_long_text(text: str) -> None:
    """Refuse a text that would take long to split into tokens.

    Raises:
        CueframeError: It has too many characters.
    """
    if len(text) > _MOST_CHARACTERS:
        raise CueframeError(
            f"the question with its choices and prompt has {len(text):,} characters, and a reader "
            f"takes {_MOST_CHARACTERS:,} at most; shorten it"
        )


def refuse_long_chat(name: str, config: PreTrainedConfig, tokens: int, new_tokens: int) -> None:
    """Refuse a chat for which a model has no positions.

    Args:
        name: The model, for the error.
        config: Its configuration.
        tokens: Tokens of the chat, its frames among them.
        new_tokens: Tokens of an answer, which count unless an encoder reads the chat.

    Raises:
        CueframeError: It is longer than the model's `context_length`.
    """
    most = context_length(config)
    answer = 0 if config.is_encoder_decoder else new_tokens
    if most is not None and tokens + answer > most:
        lower = "--frames or --reader-side" if new_tokens == 1 else "--frames or --max-new-tokens"
        raise CueframeError(
            f"the question with its frames has {tokens:,} tokens and its answer up to {answer:,}, "
            f"and the reader {name} has room for {most:,}; shorten the question, or lower {lower}"
        )
