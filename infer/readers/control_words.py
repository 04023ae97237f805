"""Control words in a text, such as <think> or <|im_end|>, broken up so that they are read as text.

A tokenizer takes what was added to it for one token wherever it stands, in a question as well as in
the chat's own template: special tokens, those that are not (in Qwen3-VL <think> and <tool_call>),
and other spellings that its normalizer makes equal, such as <THINK>.
"""

import unicodedata
from typing import Any

from index.errors import CueframeError

_ROUNDS = 8
"""What is broken up may make another word; one round is enough for all tokenizers that we know."""


def control_words(processor: Any) -> dict[str, int | None]:
    """Return the control words of a processor with their token ids, the longest first.

    They are its places of images and videos, and what was added to its tokenizer but for blanks,
    and for words of letters and digits that are not special: those extend it by a language.
    """
    tokenizer = processor.tokenizer
    words: dict[str, int | None] = {str(w): None for w in processor.all_special_multimodal_tokens}
    unknown = tokenizer.special_tokens_map.get("unk_token")  # its id is that of other words, too
    for number, added in tokenizer.added_tokens_decoder.items():
        if added.content.strip() and (added.special or _is_marked(added.content)):
            words[added.content] = number if added.content != unknown else None
    return dict(sorted(words.items(), key=lambda pair: len(pair[0]), reverse=True))


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
    raise CueframeError("the tokenizer of the reader takes words of the text for control tokens")


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
