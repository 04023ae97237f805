"""Texts as every tokenizer shall see them, from questions, choices and what a user types.

SigLIP 2's tokenizer gives a composed and a decomposed "ế" two different vectors (cosine 0.35), and
question files that were made from web pages carry HTML entities and characters of no width.
"""

import html
import re
import unicodedata

from index.errors import CueframeError

_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z][a-zA-Z0-9]{1,31});")
# Soft hyphen, zero-width space, word joiner and kin, marks of direction, byte order mark.
_NO_WIDTH = re.compile(
    "[\u00ad\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]"
)
# Joiners have a meaning in Arabic and Indic scripts and between emoji, and none elsewhere.
_JOINED = (
    "\u0600-\u08ff\u0900-\u109f\ufb50-\ufdff\ufe70-\ufefe\ufe0f\u2190-\u2bff\U0001f000-\U0001faff"
)
_JOINER = re.compile(f"(?<![{_JOINED}])[\u200c\u200d]")


MAX_TEXT_CHARS = 20_000
"""Longest text in characters. An encoder reads some 60 to 300 of them, and splitting a text of 5
million into tokens takes minutes."""


def typed_text(text: str, what: str) -> str:
    """Return a text that a user types, cleaned.

    Raises:
        CueframeError: It is blank, longer than `MAX_TEXT_CHARS`, or holds bytes that are not UTF-8.
    """
    if any("\ud800" <= character <= "\udfff" for character in text[:MAX_TEXT_CHARS]):
        raise CueframeError(f"{what} is not UTF-8; type it in a terminal whose locale is UTF-8")
    if len(text) > MAX_TEXT_CHARS:
        raise CueframeError(
            f"{what} has {len(text)} characters; shorten it to {MAX_TEXT_CHARS} at most"
        )
    clean = clean_text(text)
    if not clean.strip():
        raise CueframeError(f"{what} is blank; say what the frames shall show")
    return clean


def clean_text(text: str) -> str:
    """Return a text with HTML entities decoded, without characters of no width, in NFC.

    An entity needs its semicolon: "AT&T" and "a&b=c" stay. Entities that were escaped twice
    ("&amp;quot;") are decoded twice.
    """
    if text.isascii() and "&" not in text:
        return text
    for _ in range(2):
        text = _ENTITY.sub(lambda found: html.unescape(found[0]), text)
    if text.isascii():
        return text
    return unicodedata.normalize("NFC", _JOINER.sub("", _NO_WIDTH.sub("", text)))
