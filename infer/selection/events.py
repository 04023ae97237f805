"""Questions whose events follow one another: the score curve of each event, and its frames.

`infer.selection.sequences` chooses the rows.

Legend: Q questions of one video with the same number of events, E events of each, F its frames.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from index.arrays import Floats, Integers
from index.errors import CueframeError
from infer.selection.frame_scores import (
    OtherView,
    PickedFrame,
    blocks_of_questions,
    picked_frames,
    questions_at_once,
    text_scores,
)
from infer.selection.parts import ScoredPart, SpanSeconds, parts_asked
from infer.selection.rules import curves
from infer.selection.strategies import ScoredVideo

MOST_EVENTS = 100
"""Events of a question, whose curves are all held at once."""


class ScoredEvents(NamedTuple):
    """A part of a video with the scores of the events of Q questions about it."""

    part: ScoredPart
    """Each event is a question of its own here: scores (Q·E, F), question after question."""
    curves: Floats
    """(Q, E, F) the curves from which is picked: the same, of all encoders joined and smoothed."""

    @property
    def of_questions(self) -> ScoredVideo:
        """The part with one curve for each question, that of its best event: scores (Q, F)."""
        video, (_, events, _) = self.part.video, self.curves.shape
        return video._replace(scores=self.curves.max(axis=1), seeds=video.seeds[::events])


def scored_events(
    stored: ScoredVideo,
    questions: Sequence[Sequence[Floats]],
    spans_s: Sequence[SpanSeconds],
    smooth_s: float,
    others: Sequence[tuple[OtherView, Sequence[Sequence[Floats]]]] = (),
) -> Iterator[tuple[list[int], ScoredEvents | CueframeError]]:
    """Score the events of questions about a video, those of as many events together.

    Args:
        stored: The video, from `infer.selection.frame_scores.read_stored_video`.
        questions: For each question the vectors of its events' texts, one at least, each as in
            `infer.selection.frame_scores.text_scores`.
        spans_s: The part that each asks about.
        smooth_s: Seconds of `infer.selection.smoothing`; 0: scores as they are.
        others: The video in each further index that is asked, and the vectors of the questions'
            events by its encoder.

    Yields:
        The positions of some questions about one part, and its scores, or their error.
    """
    by_number: dict[int, list[int]] = {}
    for q, events in enumerate(questions):
        by_number.setdefault(len(events), []).append(q)
    for number, alike in by_number.items():
        if why := events_fault(number, len(stored.time_s)):
            yield alike, why
            continue
        at_once = max(1, questions_at_once(stored.n_vectors) // number)
        for start in range(0, len(alike), at_once):
            some = alike[start : start + at_once]
            scored = stored._replace(
                scores=_scores(questions, some, stored.vectors),
                seeds=np.zeros(len(some) * number, np.uint64),
                others=[
                    np.take(_scores(own, some, view.vectors), view.row, axis=1)
                    for view, own in others
                ],
            )
            spans = [spans_s[q] for q in some for _ in range(number)]
            for asked, part in parts_asked(scored, spans):
                own = [some[place // number] for place in asked[::number]]
                if isinstance(part, CueframeError):
                    yield own, part
                elif why := events_fault(number, len(part.time_s)):
                    yield own, why
                else:
                    of_events = curves(part.video, smooth_s)
                    yield own, ScoredEvents(part, of_events.reshape(len(own), number, -1))


def event_frames(
    found: ScoredEvents, rows: Integers, questions: Sequence[Sequence[Floats]]
) -> list[list[PickedFrame]]:
    """Convert the row of each event, rows (Q, E), to a list of frames for each question.

    Each frame has the score and the tile of its own event; segments are E equal ones of the part.

    Args:
        found: The scored events.
        rows: The rows of the part.
        questions: For each of the Q questions the vectors of its events' texts.
    """
    _, events = rows.shape
    alone = [[event] for own in questions for event in own]
    frames = [one for (one,) in picked_frames(found.part, rows.reshape(-1, 1), events, alone)]
    for n, frame in enumerate(frames):
        frame["event"] = n % events
    return [frames[start : start + events] for start in range(0, len(frames), events)]


def _scores(
    questions: Sequence[Sequence[Floats]], some: Sequence[int], vectors: Floats
) -> npt.NDArray[np.float32]:
    """Score a video's rows (F, T, D) by each event of some questions: (Q·E, F), in blocks."""
    texts = [event for q in some for event in questions[q]]
    frames, tiles, _ = vectors.shape
    blocks = blocks_of_questions(len(texts), frames * tiles)
    return np.concatenate([text_scores(texts[block], vectors) for block in blocks])


def events_fault(events: int, frames: int) -> CueframeError | None:
    """Return the error of questions of so many events about so many frames."""
    if events > MOST_EVENTS:
        return CueframeError(
            f"{events} events are more than the {MOST_EVENTS} of one question; ask several "
            "questions"
        )
    if events > frames:
        return CueframeError(
            f"{events} events need as many frames, and the index has {frames} of what is asked "
            "about; build it with a higher --fps, or name fewer events"
        )
    return None
