"""Encode the texts of queries, block by block.

D: width of a vector.
"""

import time
from collections.abc import Iterator, Sequence
from itertools import chain

from index.arrays import Floats
from index.boundary import in_halves
from index.errors import CueframeError
from index.models.long_texts import Text
from infer.answering.text_cache import TextCache
from infer.queries import EncodedQuery, Query, group_by_video
from infer.question_texts import texts_of_choices
from infer.selection.frame_scores import QUESTIONS_AT_ONCE


def texts_of(query: Query, *, choices: bool) -> list[Text]:
    """Return all texts to encode for a query: its own, and those of its choices if asked for."""
    more = _choice_texts(query) if choices else ()
    return [*query.texts, *(() if isinstance(more, CueframeError) else more)]


def _choice_texts(query: Query) -> Sequence[Text] | CueframeError:
    """Return the texts of question and choice, or the error of a question without these."""
    try:
        return texts_of_choices(query.question)
    except CueframeError as error:
        return error


def encode_queries(
    queries: Sequence[Query],
    texts: TextCache,
    spent_s: dict[int, float],
    *,
    choices: bool,
    others: Sequence[TextCache] = (),
) -> Iterator[EncodedQuery]:
    """Yield queries video by video with their vectors, encoded block by block as they are taken.

    A query of which a text cannot be encoded has the error instead; the others have their vectors.

    Args:
        queries: The queries.
        texts: The encoder, which has been told of all `texts_of` them.
        spent_s: Gets the seconds that it took by a query's place, a block's split evenly.
        choices: Encode the texts of the choices, too.
        others: The encoders of further indexes, which have been told of the queries' own texts.
    """

    def encoded(block: Sequence[Query]) -> list[EncodedQuery]:
        made = [EncodedQuery(one, own) for one, own in zip(block, _own(block, texts), strict=True)]
        if others:
            by_others = zip(*(_own(block, other) for other in others), strict=True)
            made = [one._replace(others=own) for one, own in zip(made, by_others, strict=True)]
        return _with_choices(made, texts) if choices else made

    places = [*chain.from_iterable(group_by_video(queries).values())]
    for start in range(0, len(places), QUESTIONS_AT_ONCE):
        block = [queries[n] for n in places[start : start + QUESTIONS_AT_ONCE]]
        began_s = time.monotonic()
        found = in_halves(encoded, block)
        share_s = (time.monotonic() - began_s) / len(block)
        spent_s |= {one.place: share_s for one in block}
        for one, (made, why) in zip(block, found, strict=True):
            yield made or EncodedQuery(one, CueframeError(why))


def _own(block: Sequence[Query], texts: TextCache) -> list[list[Floats]]:
    """Return for each query the vectors (w, D) of each of its texts."""
    vectors = iter(texts.encode([*chain.from_iterable(one.texts for one in block)]))
    return [[next(vectors) for _ in one.texts] for one in block]


def _with_choices(queries: Sequence[EncodedQuery], texts: TextCache) -> list[EncodedQuery]:
    of_each = [_choice_texts(one.query) for one in queries]
    given = [[] if isinstance(own, CueframeError) else own for own in of_each]
    vectors = iter(texts.encode([*chain.from_iterable(given)]))
    return [
        one._replace(
            choices=own if isinstance(own, CueframeError) else [next(vectors) for _ in own]
        )
        for one, own in zip(queries, of_each, strict=True)
    ]
