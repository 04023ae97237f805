"""The reader "clip", which answers a choice from the stored vectors alone; nothing is decoded.

The score of a choice is the best cosine of the text "question choice" with a shown frame, and a
softmax with the model's own scale turns scores into probabilities, as in CLIP's zero-shot
classification (Radford et al., 2021, arXiv 2103.00020). The best frame instead of the mean was
chosen on the demo's 280 training questions: the best of the picked frames is right for 57 %, their
mean for 36 %, and the best for 47 % if the text is the choice without the question.

Legend: Q questions of one video, T their choices' texts, F rows, D width.
"""

import math
from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt

from index.arrays import Bools, Floats, Integers
from index.errors import CueframeError
from index.finite import not_finite
from infer.answer_file import ReaderFrames
from infer.choices import chosen
from infer.queries import EncodedQuery
from infer.readers.shown_frames import no_label, rows_shown
from infer.selection.frame_scores import blocks_of_questions, text_scores
from infer.selection.strategies import ScoredVideo

_SAME_COSINE = 1e-6
"""Cosines that differ by less are equal: the last digits hang on what was computed together."""


def choice_probabilities(
    texts: Sequence[Floats], counts: Sequence[int], scored: ScoredVideo, shown: Bools, scale: float
) -> list[npt.NDArray[np.float64]]:
    """Return the softmax over each question's choices of their best cosines with shown frames.

    Args:
        texts: T texts as in `infer.selection.frame_scores.text_scores`, question after question.
        counts: (Q,) number of texts of each question, above 0.
        scored: The video.
        shown: (Q, F) of `infer.readers.shown_frames.rows_shown`, in each row at least one.
        scale: Factor of the cosines.

    Returns:
        (choices,) for each question, with sum 1.
    """
    question = np.repeat(np.arange(len(counts)), counts)  # (T,)
    best = np.empty(len(texts))
    for block in blocks_of_questions(len(texts), scored.n_vectors):
        cosine = text_scores(texts[block], scored.vectors).astype(np.float64)  # (block, F)
        best[block] = np.where(shown[question[block]], cosine, -np.inf).max(axis=1)
    starts = np.cumsum([0, *counts[:-1]])
    above = np.exp(scale * (best - np.repeat(np.maximum.reduceat(best, starts), counts)))
    share = above / np.repeat(np.add.reduceat(above, starts), counts)
    return np.split(share, starts[1:])


def read_choices(
    scored: ScoredVideo,
    rows: Integers,
    queries: Sequence[EncodedQuery],
    *,
    scale: float,
    which: Sequence[ReaderFrames],
) -> list[dict[str, Any]]:
    """Answer the questions about a video: return the answers of each, or its error.

    Args:
        scored: The video, or the part of it that the Q questions ask about.
        rows: (Q, picks) picked rows; the frames "uniform" are as many.
        queries: The Q questions, with the vectors of their choices.
        scale: The model's own scale, `index.models.encoder.Encoder.scale`.
        which: Kinds of frames to show; the first gives the answer.

    Raises:
        CueframeError: The scale is not finite.
    """
    if not math.isfinite(scale):
        raise not_finite("the scale of --model", "float32")
    found: list[dict[str, Any]] = [
        {"error": str(one.choices)} if isinstance(one.choices, CueframeError) else {"answers": {}}
        for one in queries
    ]
    readable = [q for q, record in enumerate(found) if "answers" in record]
    if not readable:
        return found
    questions = [queries[q].query.question for q in readable]
    of_each = [
        [] if (own := queries[q].choices) is None or isinstance(own, CueframeError) else own
        for q in readable
    ]
    texts, counts = [*chain.from_iterable(of_each)], [len(own) for own in of_each]
    part = scored._replace(scores=scored.scores[readable])
    for name in which:
        shown = rows_shown(name, questions, part, rows[readable])
        blind: Bools = ~np.any(shown, axis=1)
        shown[blind] = True  # computed with the others, then replaced by an error
        shares = choice_probabilities(texts, counts, part, shown, scale)
        for q, question, share, is_blind in zip(
            readable, questions, shares, blind.tolist(), strict=True
        ):
            if is_blind:
                found[q] = {"error": no_label(question.id)}
            elif "error" not in found[q]:
                found[q]["answers"][name] = chosen(question, share.tolist(), _SAME_COSINE * scale)
    return found
