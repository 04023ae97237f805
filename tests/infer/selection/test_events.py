"""Curves and frames of events against each question alone, event by event."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from index.errors import CueframeError
from infer.selection.events import MOST_EVENTS, event_frames, scored_events
from infer.selection.frame_scores import score_video, shown_box, text_scores
from infer.selection.parts import parts_asked
from infer.selection.sequences import best_sequence
from infer.selection.smoothing import smoothed
from infer.selection.strategies import ScoredVideo, segments
from tests.curves import looks, seeds


def read(
    video: ScoredVideo, texts: list[list[np.ndarray]], spans: list[Any], smooth_s: float
) -> list[Any]:
    """Each question's frames or error."""
    found: dict[int, Any] = {}
    for asked, scored in scored_events(video, texts, spans, smooth_s):
        if isinstance(scored, CueframeError):
            found |= dict.fromkeys(asked, str(scored))
            continue
        rows = best_sequence(scored.curves)
        frames = event_frames(scored, rows, [texts[q] for q in asked])
        assert scored.of_questions.scores.shape == (len(asked), len(scored.part.time_s))
        assert len(scored.of_questions.seeds) == len(asked)
        found |= dict(zip(asked, frames, strict=True))
    return [found[q] for q in range(len(texts))]


@settings(max_examples=40, deadline=None)
@given(looks(), st.data())
def test_the_frames_of_a_sequence(case: tuple[ScoredVideo, int], data: st.DataObject) -> None:
    video, _ = case
    width = video.vectors.shape[2]
    rng = np.random.default_rng(data.draw(st.integers(0, 999)))
    numbers = data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=5))
    texts = [
        [rng.standard_normal((rng.integers(1, 3), width)).astype(np.float32) for _ in range(n)]
        for n in numbers
    ]
    end_s = float(video.time_s[-1])
    part = st.sampled_from([None, (0.0, end_s / 2), (end_s / 3, end_s), (end_s * 3 + 9, 1e9)])
    spans = [data.draw(part) for _ in texts]
    smooth_s = data.draw(st.sampled_from([0.0, 0.6]))
    with pytest.MonkeyPatch.context() as patch:
        at_once = data.draw(st.sampled_from([1, 40, 2**20]))
        patch.setattr("infer.selection.frame_scores.SCORES_AT_ONCE", at_once)
        together = read(video, texts, spans, smooth_s)
    for own, span, frames in zip(texts, spans, together, strict=True):
        scored = score_video(video, [[event] for event in own], seeds(len(own)))
        ((_, asked),) = parts_asked(scored, [span] * len(own))
        if isinstance(asked, CueframeError):
            assert "span_s" in frames or "events need as many frames" in frames
            continue
        one, scores = asked.video, asked.video.scores
        if len(one.time_s) < len(own):
            assert f"{len(own)} events need as many frames, and the index has" in frames
            continue
        rows = best_sequence(smoothed(scores, one.time_s, smooth_s) if smooth_s else scores)
        assert [frame["event"] for frame in frames] == [*range(len(own))]
        assert [frame["row"] for frame in frames] == (rows + asked.first_row).tolist()
        assert [frame["time_s"] for frame in frames] == asked.time_s[rows].tolist()
        parts = segments(one.time_s, one.duration_s, len(own))[rows]
        assert [frame["segment"] for frame in frames] == parts.tolist()
        for event, row, frame in zip(own, rows.tolist(), frames, strict=True):
            of_tiles = [
                float(text_scores([event], one.vectors[row : row + 1, tile : tile + 1])[0, 0])
                for tile in range(len(one.tiles))
            ]
            assert frame["score"] == round(max(of_tiles), 6)
            if len(one.tiles) > 1:
                best = of_tiles.index(max(of_tiles))
                assert frame["tile"] == shown_box(one.tiles[best])


def test_more_events_than_a_question_may_have() -> None:
    vectors = np.eye(MOST_EVENTS + 2, 4, dtype=np.float32)[:, None]
    time_s = np.arange(len(vectors)) / 2
    video = ScoredVideo(np.empty((0, 0)), time_s, time_s, 60.0, vectors, seeds(0))
    texts = [[np.ones(4, np.float32)] * n for n in (MOST_EVENTS + 1, MOST_EVENTS)]
    refused, fine = read(video, texts, [None, None], 0.0)
    assert "101 events are more than the 100 of one question; ask several questions" in refused
    assert len(fine) == MOST_EVENTS
