import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from infer.questions import Question
from infer.selection.strategies import ScoredVideo
from train.distilling.ridge import unit
from train.pseudo_labels.heads import FEWEST, fit, lead, least_margin, pointed, target


def video(vectors: np.ndarray) -> ScoredVideo:
    """Frames (F, T, D) at two a second."""
    time_s = np.arange(len(vectors)) / 2
    return ScoredVideo(
        np.empty((0, len(vectors))),
        time_s,
        time_s + 0.5,
        len(vectors) / 2,
        vectors,
        np.empty(0, np.uint64),
    )


def test_a_target_is_the_best_tile_of_what_is_shown_at_the_answer_times() -> None:
    vectors = np.zeros((4, 2, 3))
    vectors[1] = np.eye(3)[:2]
    vectors[3] = np.eye(3)[[0, 2]]
    text = np.array([0.0, 0.6, 0.8])
    question = Question.model_validate(
        {"id": "q", "question": "?", "video_path": "v", "support_frames": [0.6, 1.7]}
    )
    assert target(question, text, video(vectors)) == pytest.approx(np.array([0, 1, 1]) / 2**0.5)


def test_a_head_learns_a_turn_and_without_labels_that_matter_it_is_the_text() -> None:
    rng = np.random.default_rng(0)
    texts = unit(rng.standard_normal((300, 6)))
    turned = texts @ np.linalg.qr(rng.standard_normal((6, 6)))[0]
    unseen, wanted = texts[200:], turned[200:]
    head = fit(texts[:200], turned[:200], 1e-6)
    assert (pointed(head, unseen) * wanted).sum(1).min() > 0.999
    weak = fit(texts[:200], texts[:200], 1.0)
    assert pointed(weak, unseen) == pytest.approx(unseen)
    assert pointed(None, unseen) is unseen


def test_a_pick_leads_the_best_frame_that_is_farther_than_the_guard() -> None:
    scores = np.array([0.1, 0.8, 0.9, 0.85, 0.2, 0.4])
    own = video(scores[:, None, None])
    found = lead(np.array([1.0]), own, 0.5)
    assert found.row == 2
    assert found.by == pytest.approx((0.9 - 0.4) / scores.std())  # 4 begins 0.5 s after 2 has ended
    assert lead(np.array([1.0]), own, 60.0).by == 0
    assert lead(np.array([1.0]), video(np.ones((3, 1, 1))), 0.0).by == 0


LEADS = st.lists(st.tuples(st.integers(0, 6), st.booleans()), max_size=60)


@given(LEADS, st.floats(0.05, 1))
def test_the_least_margin_is_the_least_that_is_precise_enough(
    pairs: list[tuple[int, bool]], precision: float
) -> None:
    leads, right = [float(by) for by, _ in pairs], [one for _, one in pairs]

    def precise(margin: float) -> bool:
        beyond = [one for by, one in zip(leads, right, strict=True) if by >= margin]
        return len(beyond) >= FEWEST and sum(beyond) / len(beyond) >= precision

    fit_for_it = [by for by in set(leads) if precise(by)]
    assert least_margin(leads, right, precision) == (min(fit_for_it) if fit_for_it else None)
