"""From what is asked to the vectors of queries.

Legend: w windows of a text, T tiles of a picture, D width of a vector.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from index.arrays import Floats
from index.boundary import in_halves
from index.messages import say
from index.models.encoder import Encoder
from index.models.long_texts import LongText
from index.progress import bar
from infer.query_encoder import encode_texts, print_long_texts
from infer.searching.exact_search import Query
from infer.searching.text_file import WantedText
from infer.searching.unwanted import without
from infer.selection.frame_scores import QUESTIONS_AT_ONCE
from infer.texts.clean_text import typed_text

_BLOCKS_AT_ONCE = 8
"""Blocks of `QUESTIONS_AT_ONCE` texts that are searched together: each video is read a few times
for all of them."""


class TypedText(NamedTuple):
    """A text of the command line."""

    what: str
    """What it is in messages."""
    text: str


class NamedQuery(NamedTuple):
    """A query, and its name in the output: None where it is the only one."""

    name: str | None
    query: Query


def typed(text: str, what: str) -> TypedText:
    """Return a text of the command line, cleaned and in one line; raises as `typed_text`."""
    return TypedText(what, typed_text(" ".join(text.split()), what))


def encode_typed(encoder: Encoder, asked: TypedText, long_text: LongText) -> Floats:
    """Return the vectors (w, D) of a text; one that is longer than the model reads is told."""
    (vectors,), too_long = encode_texts(encoder, [asked.text], long_text)
    if too_long[0]:
        name = "the text" if asked.what == "TEXT" else f"the text of {asked.what}"
        say(
            f"{name} is longer than the {encoder.max_tokens} tokens that the model reads; it is "
            "read in windows"
            if long_text == "windows"
            else f"warning: the model reads {encoder.max_tokens} tokens and did not see the end of "
            f"{name}, which is longer"
        )
    return vectors


def one_query(events: Sequence[Floats], unwanted: Floats | None) -> list[NamedQuery]:
    """Return the query for events, each (w, D), with the vectors (w, D) of what is not wanted."""
    return [NamedQuery(None, [without(event, unwanted) for event in events])]


def queries_of_file(
    texts: Sequence[WantedText],
    encoder: Encoder,
    long_text: LongText,
    unwanted: Floats | None,
    failed: list[str],
) -> Iterator[list[NamedQuery]]:
    """Encode the texts of a file, in blocks; those longer than the model reads are told at the end.

    Args:
        texts: The texts.
        encoder: The encoder.
        long_text: How long texts are read.
        unwanted: Vectors of what is not wanted with any of them.
        failed: Gets the texts that cannot be encoded, and why.
    """

    def encoded(block: Sequence[WantedText]) -> list[tuple[Floats, bool]]:
        vectors, too_long = encode_texts(encoder, [one.text for one in block], long_text)
        return list(zip(vectors, too_long.tolist(), strict=True))

    held: list[NamedQuery] = []
    long: list[str] = []
    starts = range(0, len(texts), QUESTIONS_AT_ONCE)
    for number, start in enumerate(bar(starts, "block", len(starts)), 1):
        block = texts[start : start + QUESTIONS_AT_ONCE]
        for one, (made, why) in zip(block, in_halves(encoded, block), strict=True):
            if made is None:
                failed.append(f"{one.name}: {why}")
                continue
            vectors, is_long = made
            long += [one.name] * is_long
            held.append(NamedQuery(one.name, [without(vectors, unwanted)]))
        if held and (number % _BLOCKS_AT_ONCE == 0 or number == len(starts)):
            yield held
            held = []
    print_long_texts(long, long_text, encoder.max_tokens)
