"""The reader "clip", which answers a choice from the stored vectors alone; nothing is decoded.

The score of a choice is the best cosine of the text "question choice" with a shown frame, and a
softmax with the model's own scale turns scores into probabilities, as in CLIP's zero-shot
classification (Radford et al., 2021, arXiv 2103.00020). The best frame instead of the mean was
chosen on the demo's 280 training questions: the best of the picked frames is right for 57 %, their
mean for 36 %, and the best for 47 % if the text is the choice without the question.

Legend: Q questions of one video, T their choices' texts, F rows, D width.
"""

from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt

from index.arrays import Bools, Floats, Integers
from index.errors import CueframeError
from infer.answer_file import ReaderFrames
from infer.choices import chosen
from infer.queries import Query
from infer.question_texts import question_texts
from infer.readers.shown_frames import no_label, rows_shown
from infer.selection.frame_scores import cosines
from infer.selection.strategies import ScoredVideo

Encode = Callable[[Sequence[str]], Floats]
"""Function from texts to unit vectors (texts, D)."""


def choice_probabilities(
    texts: Floats, counts: Sequence[int], scored: ScoredVideo, shown: Bools, scale: float
) -> list[npt.NDArray[np.float64]]:
    """Return the softmax over each question's choices of their best cosines with shown frames.

    Args:
        texts: (T, D) unit vectors, question after question.
        counts: (Q,) number of texts of each question, above 0.
        scored: The video.
        shown: (Q, F) of `infer.readers.shown_frames.rows_shown`, in each row at least one.
        scale: Factor of the cosines.

    Returns:
        (choices,) for each question, with sum 1.
    """
    cosine = cosines(texts, scored.vectors).astype(np.float64)  # (T, F)
    best = np.where(np.repeat(shown, counts, axis=0), cosine, -np.inf).max(axis=1)  # (T,)
    starts = np.cumsum([0, *counts[:-1]])
    above = np.exp(scale * (best - np.repeat(np.maximum.reduceat(best, starts), counts)))
    share = above / np.repeat(np.add.reduceat(above, starts), counts)
    return np.split(share, starts[1:])


def clip_reader(
    queries: Sequence[Query],
    encode: Encode,
    scale: float,
    which: Sequence[ReaderFrames],
    k: int,
) -> Callable[[ScoredVideo, Integers, list[int]], list[dict[str, Any]]]:
    """Make the reader of some queries for `answer_all`; their texts are encoded at once.

    Args:
        queries: The queries.
        encode: Encodes texts.
        scale: The model's own scale, `index.encoder.Encoder.scale`.
        which: Kinds of frames to show; the first gives the answer.
        k: K of the frames "uniform".
    """
    texts: list[str] = []
    places: dict[int, range] = {}
    wrong: dict[int, str] = {}
    for n, one in enumerate(queries):
        try:
            own = question_texts(one.question, "choices").texts
        except CueframeError as error:
            wrong[n] = str(error)
        else:
            places[n] = range(len(texts), len(texts) + len(own))
            texts.extend(own)
    vectors = encode(texts)

    def read(scored: ScoredVideo, rows: Integers, numbers: list[int]) -> list[dict[str, Any]]:
        readable = [q for q, n in enumerate(numbers) if n in places]
        found: list[dict[str, Any]] = [
            {"error": wrong[n]} if n in wrong else {"answers": {}} for n in numbers
        ]
        if not readable:
            return found
        own = [places[numbers[q]] for q in readable]
        questions = [queries[numbers[q]].question for q in readable]
        part = scored._replace(scores=scored.scores[readable])
        for name in which:
            shown = rows_shown(name, questions, part, rows[readable], k)
            blind: Bools = ~np.any(shown, axis=1)
            shown[blind] = True  # computed with the others, then replaced by an error
            shares = choice_probabilities(
                vectors[[*chain.from_iterable(own)]], [len(t) for t in own], part, shown, scale
            )
            for q, question, share, is_blind in zip(
                readable, questions, shares, blind.tolist(), strict=True
            ):
                if is_blind:
                    found[q] = {"error": no_label(question.id)}
                elif "error" not in found[q]:
                    found[q]["answers"][name] = chosen(question, share.tolist())
        return found

    return read
