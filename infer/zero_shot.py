"""The reader "clip": a choice is answered by the cached vectors alone, and nothing is decoded.

A choice is worth the best cosine of the text "question choice" with a frame shown, and the model's
own scale makes probabilities of it, as CLIP's zero-shot classification does (Radford et al., 2021,
arXiv 2103.00020). The best frame, not the mean: chosen on the demo's 280 training questions, of
which the best of the picked frames is right for 57 %, their mean for 36 %, and the best for 47 %
where the text is the choice without the question.

Legend: Q questions of one video, T their choices' texts, F rows, D width.
"""

from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt

from index.errors import CueframeError
from infer.answers import ReaderFrames
from infer.bulk import Asked
from infer.choices import chosen, lettered
from infer.pick import Rows, Scored
from infer.scores import cosines
from infer.shown import Bools, Floats, no_label, rows_shown

Encode = Callable[[Sequence[str]], Floats]
"""Texts to unit vectors (texts, D)."""


def choice_texts(asked: Asked) -> list[str]:
    """The text of each choice, after the question's.

    Raises:
        CueframeError: As `infer.choices.lettered`.
    """
    return [
        " ".join(f"{asked.question.question} {text}".split())
        for _, text in lettered(asked.question)
    ]


def choice_probabilities(
    texts: Floats, counts: Sequence[int], scored: Scored, shown: Bools, scale: float
) -> list[npt.NDArray[np.float64]]:
    """Softmax of each question's choices over their best cosines with the frames shown.

    Args:
        texts: (T, D) unit vectors, question after question.
        counts: How many of them each question has, Q numbers above 0.
        scored: The video.
        shown: (Q, F) of `infer.shown.rows_shown`, in each row at least one.
        scale: What cosines are multiplied by.

    Returns:
        (choices,) for each question, with sum 1.
    """
    cosine = cosines(texts, scored.vectors).astype(np.float64)  # (T, F)
    best = np.where(np.repeat(shown, counts, axis=0), cosine, -np.inf).max(axis=1)  # (T,)
    starts = np.cumsum([0, *counts[:-1]])
    above = np.exp(scale * (best - np.repeat(np.maximum.reduceat(best, starts), counts)))
    share = above / np.repeat(np.add.reduceat(above, starts), counts)
    return np.split(share, starts[1:])


def zero_shot(
    asked: Sequence[Asked],
    encode: Encode,
    scale: float,
    which: Sequence[ReaderFrames],
    k: int,
) -> Callable[[Scored, Rows, list[int]], list[dict[str, Any]]]:
    """The reader of some questions, for `infer.bulk.answer_all`; their texts are encoded at once.

    Args:
        asked: The questions.
        encode: Of texts.
        scale: The model's own, `index.encoder.Encoder.scale`.
        which: Frames to read; the first is the answer.
        k: K.
    """
    texts: list[str] = []
    places: dict[int, range] = {}
    wrong: dict[int, str] = {}
    for n, one in enumerate(asked):
        try:
            own = choice_texts(one)
        except CueframeError as error:
            wrong[n] = str(error)
        else:
            places[n] = range(len(texts), len(texts) + len(own))
            texts += own
    vectors = encode(texts)

    def read(scored: Scored, rows: Rows, numbers: list[int]) -> list[dict[str, Any]]:
        readable = [q for q, n in enumerate(numbers) if n in places]
        found: list[dict[str, Any]] = [
            {"error": wrong[n]} if n in wrong else {"answers": {}} for n in numbers
        ]
        if not readable:
            return found
        own = [places[numbers[q]] for q in readable]
        questions = [asked[numbers[q]].question for q in readable]
        part = scored._replace(scores=scored.scores[readable])
        for name in which:
            shown = rows_shown(name, questions, part, rows[readable], k)
            blind: Bools = ~np.any(shown, axis=1)
            shown[blind] = True  # only to be computed with the others
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
