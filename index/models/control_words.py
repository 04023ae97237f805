"""Control words in a text, such as <think> or <|im_end|>, broken up so that they are read as text.

A tokenizer takes what was added to it for one token wherever it stands, in a question as well as
where a template has it: special tokens, those that are not (in Qwen3-VL <think> and <tool_call>),
and other spellings that its normalizer makes equal, such as <THINK>.
"""

import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any

from index.errors import CueframeError

_ROUNDS = 8
"""What is broken up may make another word; one round is enough for all tokenizers that we know."""


def control_words(
    tokenizer: Any, places: Iterable[object] = (), *, special_alone: bool = False
) -> dict[str, int | None]:
    """Return the control words of a tokenizer with their token ids, the longest first.

    They are what was added to it but for blanks, and for words of letters and digits that are not
    special: those extend it by a language.

    Args:
        tokenizer: The tokenizer.
        places: More words, such as a processor's places of images and videos.
        special_alone: Leave out what is not special, and single characters: some CLIPs pad by "!".
    """
    words: dict[str, int | None] = {str(word): None for word in places}
    unknown = tokenizer.special_tokens_map.get("unk_token")  # its id is that of other words, too
    for number, added in tokenizer.added_tokens_decoder.items():
        if special_alone:
            counts = added.special and len(added.content.strip()) > 1
        else:
            counts = bool(added.content.strip()) and (added.special or _is_marked(added.content))
        if counts:
            words[added.content] = number if added.content != unknown else None
    return dict(sorted(words.items(), key=lambda pair: len(pair[0]), reverse=True))


def unknown_token(tokenizer: Any) -> int | None:
    """Return the token of what a tokenizer does not know; None if that is its end or padding, too.

    CLIP's byte pairs know every byte, and name their end as their unknown token.
    """
    number = tokenizer.unk_token_id
    others = (tokenizer.eos_token_id, tokenizer.bos_token_id, tokenizer.pad_token_id)
    return None if number is None or number in others else int(number)


def as_plain_texts(tokenizer: Any, words: dict[str, int | None], texts: Sequence[str]) -> list[str]:
    """Return texts as `as_plain_text` does, where most of them have no such word."""
    plain = list(texts)
    numbers = {*words.values()}
    found = tokenizer(plain, add_special_tokens=False, verbose=False)["input_ids"] if plain else []
    for place, ids in enumerate(found):
        if not numbers.isdisjoint(ids) or any(word in plain[place] for word in words):
            plain[place] = as_plain_text(tokenizer, words, plain[place])
    return plain


def _is_marked(word: str) -> bool:
    """Return whether a word has several characters, and punctuation or symbols among them."""
    marks = (c for c in word if c != "▁" and unicodedata.category(c)[0] in "PSC")  # ▁ is a blank
    return len(word.strip()) > 1 and any(not c.isspace() for c in marks)


def as_plain_text(tokenizer: Any, words: dict[str, int | None], text: str) -> str:
    """Return a text with a blank in each control word, after its first character.

    Args:
        tokenizer: The tokenizer; if it is a fast one, other spellings are found, too.
        words: The words from `control_words`.
        text: Any text; without such words it is returned as it is.

    Raises:
        CueframeError: The tokenizer finds a word in spite of the blank.
    """
    for _ in range(_ROUNDS):
        before = text
        for word in words:
            if word in text:
                text = text.replace(word, _broken(word))
        if tokenizer.is_fast:
            text = _broken_where_found(tokenizer, {*words.values()}, text)
        if text == before:
            return text
    raise CueframeError("the tokenizer takes words of the text for control tokens")


def _broken(word: str) -> str:
    own = word.lstrip()
    blanks = word[: len(word) - len(own)]
    return f"{blanks}{own[:1]} {own[1:]}" if len(own.rstrip()) > 1 else " "


def _broken_where_found(tokenizer: Any, numbers: set[int | None], text: str) -> str:
    found = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
    spans = zip(found["input_ids"], found["offset_mapping"], strict=True)
    for number, (start, end) in reversed([*spans]):
        # One character may be a byte of one that the tokenizer does not know.
        if number in numbers and len(text[start:end].strip()) > 1:
            text = text[:start] + _broken(text[start:end]) + text[end:]
    return text
