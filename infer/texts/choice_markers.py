"""The markers that question files put in front of choices: A. (A) a) 1. Option A: A、 and so on."""

import re
import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

_OPTION = r"(?:option|choice|answer|đáp[ ]án|phương[ ]án|lựa[ ]chọn)\s*"
_MARKED = re.compile(
    rf"""(?:{_OPTION})?
    (?: [(\[（] \s* ([a-z]|\d{{1,2}}) \s* [)\]）] [.:：]? \s*   # (A) [A] （A）
      | ([a-z]|\d{{1,2}}) \s* (?: [.):：] \s+ | [、．）] \s* )    # A. A) A: 1. A、
      | ([a-z]) [.):：] (?=[^\W\d_](?!\.) | \d(?!\d*\s*[ap]\.?m)) # A.Red, but not A.M.
    ) (.+)""",
    re.DOTALL | re.IGNORECASE | re.VERBOSE,
)
_ALONE = re.compile(
    rf"(?:{_OPTION}[:：]?\s*)?[(\[（]?\s*([a-z]|\d{{1,2}})(?:\s*[)\]）])?[.):：、．）]?",
    re.IGNORECASE,
)


class Marked(NamedTuple):
    """A text with a marker in front."""

    marker: str
    """A letter in upper case, or a number."""
    text: str


def split_marker(text: str) -> Marked | None:
    """Split a choice into its marker and its text; None if there is none."""
    found = _MARKED.fullmatch(text.strip())
    if not found:
        return None
    *markers, rest = found.groups()
    return Marked(next(filter(None, markers)).upper(), rest.strip())


def marker_alone(text: str) -> str | None:
    """Return the letter (in upper case) or number of a text that is nothing else: B, b., (B), 2."""
    found = _ALONE.fullmatch(unicodedata.normalize("NFKC", text).strip())
    return found[1].upper() if found else None


def blank_choices(choices: Sequence[str]) -> list[int]:
    """Return the places of choices that are nothing but the marker of their place: "A. ".

    A number is one only among choices that have numbers in front: TVQA asks how many, and has "1.".
    """
    blank = []
    for place, text in enumerate(choices):
        if text[-1:].isalnum():  # nearly all choices
            continue
        marker = marker_alone(text)
        if marker is None or text.strip()[-1].isalnum():
            continue
        numbered = marker in (str(place + 1), str(place)) and any(map(split_marker, choices))
        if numbered or marker == chr(ord("A") + place):
            blank.append(place)
    return blank


class Choices(NamedTuple):
    """The choices of a question without their markers."""

    texts: list[str]
    markers: list[str]
    """The markers, in order; none where the choices have no markers of their own."""


def without_markers(choices: Sequence[str]) -> Choices:
    """Take the markers off, if all choices have their own in order: A B C, 1 2 3 or 0 1 2.

    Else a marker belongs to its text, and so do numbers without which texts would be alike.
    """
    texts = [choice.strip() for choice in choices]
    split = [split_marker(text) for text in texts]
    found = [one for one in split if one]
    markers = [one.marker for one in found]
    orders = [
        [chr(ord("A") + n) for n in range(len(texts))],
        [str(n + 1) for n in range(len(texts))],
        [str(n) for n in range(len(texts))],
    ]
    bare = [one.text for one in found]
    numbers_tell = markers[:1] != ["A"] and len(set(bare)) < len(set(texts))
    if len(found) < len(texts) or markers not in orders or numbers_tell:
        return Choices(texts, [])
    return Choices(bare, markers)
