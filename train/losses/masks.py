"""Which frames and texts of a pool a question is compared with, in losses over the whole pool.

Shapes: B questions of this process's pool, C its columns, P questions and A columns of all
processes.
"""

from __future__ import annotations

import torch
from torch import Tensor

from train.losses.pool import Columns, Pool, are_evidence


def likely_answers(own: Columns, everyone: Columns, first_row: int = 0) -> Tensor:
    """Return which frames may well answer which own questions without being their own, (B, A) bool.

    These are all frames of *other* questions on the same video, the true frames of other questions
    with an equal text, and whatever is known evidence of an equal text, if it is not the question's
    true frame. What is left of an equal text on another video are the negatives, which were mined
    as frames that do not show what that text asks.

    Args:
        own: This process's pool.
        everyone: That of all processes, in which own questions begin at `first_row`.
        first_row: As above.
    """
    mine = _rows(own, first_row)[:, None] == everyone.owners  # (B, A)
    same_video = own.video_ids[:, None] == everyone.video_ids[everyone.owners]
    equal_text = own.text_ids[:, None] == everyone.text_ids[everyone.owners]
    shown = are_evidence(own.evidence, own.text_ids[:, None], everyone.frame_ids)
    others = ~mine & (same_video | (equal_text & everyone.is_true))
    return others | (shown & ~(mine & everyone.is_true))


def kept_frames(own: Columns, everyone: Columns, likely: Tensor, first_row: int = 0) -> Tensor:
    """Return the mask of frames with which each own question is compared, (B, A) bool.

    Likely answers are left out, and of equal frames of other questions all but the first: a frame
    that was mined for several questions is one frame. Frames of questions that do not count are
    left out.

    Args:
        own: This process's pool.
        everyone: That of all processes.
        likely: (B, A) as `likely_answers` gives it.
        first_row: As there.
    """
    there = everyone.there()
    mine = _rows(own, first_row)[:, None] == everyone.owners  # (B, A)
    return there & ~likely & (mine | first_of_equals(everyone.frame_ids, there))


def kept_texts(own: Columns, everyone: Columns, first_row: int = 0) -> Tensor:
    """Return the mask of texts with which each own true frame is compared, (B, P) bool.

    The mirror of `kept_frames`: left out are the texts of other questions on the same video, those
    equal to the own one, and those of which the frame is known evidence.
    """
    mine = _rows(own, first_row)[:, None] == torch.arange(
        len(everyone.valid), device=own.valid.device
    )  # (B, P)
    same_video = own.video_ids[:, None] == everyone.video_ids
    equal_text = own.text_ids[:, None] == everyone.text_ids
    frames = own.frame_ids[own.true_columns()]  # (B,)
    shown = are_evidence(own.evidence, everyone.text_ids, frames[:, None])
    return everyone.valid & (mine | ~(same_video | equal_text | shown))


def first_of_equals(frame_ids: Tensor, there: Tensor) -> Tensor:
    """Return which columns are the first one with their frame, of those that are there, (A,) bool.

    Which questions may be compared with a frame depends on the frame alone, but for its own
    question, so the first stands for all.
    """
    groups = torch.unique(frame_ids, return_inverse=True)[1]  # (A,)
    places = torch.arange(len(frame_ids), device=frame_ids.device)
    first = torch.full_like(places, len(places))
    first.scatter_reduce_(0, groups, torch.where(there, places, len(places)), "amin")
    return there & (first[groups] == places)


def masked_pairs(own: Columns, everyone: Columns, likely: Tensor) -> Tensor:
    """Count the pairs of an own question and a frame that are left out as likely answers, ()."""
    return (own.valid[:, None] & everyone.there() & likely).sum()


def own_part(own: Pool, everyone: Pool, rank: int, world_size: int) -> tuple[int, Tensor]:
    """Return the row of the first own question, and the columns (B,) of the own true frames."""
    columns = rank * (len(everyone.owners) // world_size) + own.true_columns()
    return rank * (len(everyone.valid) // world_size), columns


def _rows(own: Columns, first_row: int) -> Tensor:
    return first_row + torch.arange(len(own.valid), device=own.valid.device)  # (B,)
