"""Texts that are longer than an encoder reads, in windows that together cover them.

A text that fits is left as it is. Of one that does not, each sentence is a window; what is as short
as "Mr." goes with the next. A sentence that does not fit is divided at its commas, a part of it at
its blanks, and what has none, such as Chinese without punctuation, between its characters, and as
many pieces as fit are a window.

How well a frame fits the text is how well it fits the best of its windows. Measured on questions
about the demo's training scenes among ten sentences that say nothing of them, best against mean of
the sentences: 91 against 57 % of the events are hit by an encoder that was trained on short texts,
92 against 93 % by one trained on such long ones, and 95 against 89 % where the other sentences are
not those of its training; see docs/answering.md for the rest.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, pairwise
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:  # it imports torch, and what texts a question has is known without
    from index.models.dual_model import DualModel

CountTokens = Callable[[Sequence[str]], Sequence[int]]
"""Returns how many tokens the encoder would read of each text, with those that it adds itself."""
LongText = Literal["windows", "truncate"]
"""What becomes of a text that is longer than the encoder reads: see `read_as`."""


class TwoParts(NamedTuple):
    """A text of two parts, such as a question and one of its choices.

    It is read as both in this order where they fit. Where they do not, `own` tells it from the
    other texts with the same `shared`, so it may not be what is cut off.
    """

    shared: str
    own: str


Text = str | TwoParts


class Read(NamedTuple):
    """What a model reads of a text."""

    windows: Sequence[str]
    """One or more texts; the best counts."""
    own: Sequence[str] = ()
    """What is read with each of the windows: the own part of a long text of two parts."""


def shared_out(texts: Sequence[Text], model: "DualModel") -> "list[tuple[DualModel, list[int]]]":
    """Return each side that reads some of the texts that are asked, with their places.

    Texts are shared out whole, before long ones become windows.
    """
    sides = model.text_sides()
    if len(sides) == 1:
        return [(model, [*range(len(texts))])] if texts else []
    whole = [text if isinstance(text, str) else " ".join(text) for text in texts]
    places: dict[int, list[int]] = {}
    for place, number in enumerate(model.side_of_texts(whole)):
        places.setdefault(number, []).append(place)
    return [(sides[number], places[number]) for number in sorted(places)]


def read_as(
    texts: Sequence[Text], how: LongText, model: "DualModel"
) -> tuple[list[Read], list[bool]]:
    """Return what a model reads of each text, in training and in asking.

    Args:
        texts: The texts.
        how: windows: a text that does not fit becomes its `windows`, each of two parts by itself.
            truncate: it stays whole, of two parts its own first, and the model reads its beginning.
        model: The model.

    Returns:
        What is read of each text, and whether it is longer than the model reads.
    """
    parts = _plain_parts(texts, model)
    whole = [" ".join(part for part in own if part) for own in parts]
    too_long = [count > model.max_tokens for count in model.count_tokens(whole)]
    read = [Read([text]) for text in whole]
    for place, own in enumerate(parts):
        if too_long[place] and how == "truncate":
            read[place] = Read([" ".join(reversed(own))])
        elif too_long[place]:
            given = [windows(part, model.count_tokens, model.max_tokens) for part in own if part]
            read[place] = Read(*given)
    return read, too_long


def _plain_parts(texts: Sequence[Text], model: "DualModel") -> list[list[str]]:
    """Return the one or two parts of each text, without control words."""
    parts = [[text] if isinstance(text, str) else [*text] for text in texts]
    plain = iter(model.plain_texts([*chain.from_iterable(parts)]))
    return [[next(plain) for _ in own] for own in parts]


_FEW_TOKENS = 8
"""What has fewer is no sentence by itself, as after an abbreviation, or says little."""
_CLOSING = r"[\"'”’»)\]」』）】]*"
_SENTENCE = re.compile(
    # Latin marks end a sentence before a blank ("3.5" is none), those of other scripts anywhere.
    rf"[.?!…;؟۔।።]+{_CLOSING}\s+|[。！？；｡．…]+{_CLOSING}\s*|\s*[\n\r\u2028\u2029]\s*"
)
_FINER = (
    re.compile(r"[,:،፣–—]+\s+|[，、：､]+\s*"),
    re.compile(r"\s+"),
    re.compile(r"(?=.)", re.DOTALL),
)
"""Ends of parts of a sentence, of words and of characters."""


def windows(text: str, count_tokens: CountTokens, room: int) -> list[str]:
    """Divide a text into windows, in order, of `room` tokens at most.

    Args:
        text: Any text.
        count_tokens: Counts the tokens of many texts at once.
        room: Number of tokens that the encoder reads.

    Returns:
        The text itself if it fits, else parts of it that leave out nothing but blanks between
        them. Only a single character that takes more tokens than there is room for does not fit.
    """
    (whole, added) = count_tokens([text, ""])
    if whole <= room:
        return [text]
    found: list[str] = []
    sentences = _sentences(text, count_tokens, added, room)
    for sentence, size in zip(sentences, count_tokens(sentences), strict=True):
        found += [sentence] if size <= room else _filled(sentence, count_tokens, added, room)
    return [window for window in found if window] or [text]


def _sentences(text: str, count_tokens: CountTokens, added: int, room: int) -> list[str]:
    """Return the sentences of a text; what has few tokens goes with the next where both fit."""
    pieces = _divided(text, _SENTENCE)
    sizes = count_tokens([piece.strip() for piece in pieces])
    few = min(_FEW_TOKENS, room // 4)
    found, filled = [""], 0
    for piece, size in zip(pieces, sizes, strict=True):
        own = size - added
        if filled >= few or filled + own > room - added:
            found.append("")
            filled = 0
        found[-1] += piece
        filled += own
    return [sentence.strip() for sentence in found if sentence]


def _filled(text: str, count_tokens: CountTokens, added: int, room: int) -> list[str]:
    """Divide a sentence into windows of as many of its pieces as fit."""
    pieces, sizes = _pieces(text, count_tokens, room)
    found: dict[int, str] = {}  # by the place of its first piece
    waiting = list(_joined(sizes, added, room))
    while waiting:
        # Joined pieces may take other tokens than each alone, with some tokenizers more.
        joined = ["".join(pieces[first:last]).strip() for first, last in waiting]
        again: list[tuple[int, int]] = []
        for (first, last), window, count in zip(waiting, joined, count_tokens(joined), strict=True):
            if count <= room or last - first == 1:
                found[first] = window
                continue
            middle = (first + last) // 2
            again += [(first, middle), (middle, last)]
        waiting = again
    return [found[first] for first in sorted(found)]


def _pieces(text: str, count_tokens: CountTokens, room: int) -> tuple[list[str], list[int]]:
    """Return pieces of a text, in order and of any size that fits, and their numbers of tokens."""
    pieces, sizes = [text], [room + 1]
    for pattern in _FINER:
        finer: list[str] = []
        for piece, size in zip(pieces, sizes, strict=True):
            finer += [piece] if size <= room else _divided(piece, pattern)
        pieces, sizes = finer, list(count_tokens([piece.strip() for piece in finer]))
        if max(sizes) <= room:
            break
    return pieces, sizes


def _divided(text: str, pattern: re.Pattern[str]) -> list[str]:
    """Cut a text after each match, so that the pieces joined are the text."""
    ends = [found.end() for found in pattern.finditer(text)]
    cuts = sorted({0, *ends, len(text)})
    return [text[start:end] for start, end in pairwise(cuts)]


def _joined(sizes: Sequence[int], added: int, room: int) -> Iterator[tuple[int, int]]:
    """Yield first and last (exclusive) of as many pieces as fit into a window, window by window."""
    first, filled = 0, added
    for place, size in enumerate(sizes):
        own = size - added
        if place > first and filled + own > room:
            yield first, place
            first, filled = place, added
        filled += own
    yield first, len(sizes)
