import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.errors import CueframeError
from infer.evaluation.bootstrap import Estimate
from train.distilling.cross_validation import (
    FOLDS,
    by_chance,
    decide,
    folds_of_pairs,
    found_first,
)
from train.distilling.hits import HitTable
from train.distilling.ridge import unit

TEXT = st.sampled_from("abcdefgh")
PAIR = st.tuples(st.sampled_from([f"video {n}" for n in range(6)]), TEXT, TEXT)


@given(pairs=st.lists(PAIR, min_size=2, max_size=30), asked=st.lists(PAIR, max_size=10))
def test_no_fold_learns_from_its_groups_or_texts(
    pairs: list[tuple[str, str, str]], asked: list[tuple[str, str, str]]
) -> None:
    groups = [group for group, *_ in (*pairs, *asked)]
    said = [set(texts) for _, *texts in pairs]
    also = [set(texts) for _, *texts in asked]
    if len({group for group, *_ in pairs}) < 2:
        with pytest.raises(CueframeError, match="none can be held out"):
            folds_of_pairs(groups, said, also, 1)
        return
    folds = folds_of_pairs(groups, said, also, 1)
    assert set(folds.of) == set(folds.seen)
    assert len(folds.seen) <= FOLDS
    for fold, seen in folds.seen.items():
        out = np.flatnonzero(folds.of == fold)
        held = set().union(*([*said, *also][n] for n in out))
        own = {groups[n] for n in out}
        for n in np.flatnonzero(seen):
            assert groups[n] not in own
            assert held.isdisjoint(said[n])
        left = [n for n in range(len(pairs)) if not seen[n]]
        assert all(groups[n] in own or not held.isdisjoint(said[n]) for n in left)


def test_a_translation_is_found_first_among_its_fold() -> None:
    teachers = unit(np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.6, 0.8]]))
    vectors = unit(np.array([[1.0, 0.1], [1.0, 0.2], [1.0, 0.0], [0.0, 1.0]]))
    found = found_first(vectors, teachers, ["x", "y", "x", "z"], np.array([0, 0, 0, 1]))
    assert found.tolist() == [1, 0, 1, 1]


def test_chance_knows_the_mean_of_the_other_folds_and_how_many_texts_there_are() -> None:
    teachers = unit(np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.6, 0.8]]))
    found = by_chance(teachers, ["x", "y", "x", "z"], np.array([0, 0, 0, 1]))
    assert found[:, 1].tolist() == [0.5, 0.5, 0.5, 1.0]
    assert found[:3, 0] == pytest.approx([0.6, 0.8, 0.6])
    mean = unit(teachers[:3].mean(axis=0, keepdims=True))[0]
    assert found[3, 0] == pytest.approx(teachers[3] @ mean)


@pytest.mark.parametrize(("gain", "kept"), [(0.5, "tuned"), (0.0, "ridge"), (-0.5, "ridge")])
def test_the_tuned_way_is_kept_where_its_lead_is_no_chance(gain: float, kept: str) -> None:
    rng = np.random.default_rng(0)
    teachers = unit(rng.normal(size=(200, 8)))
    ridge = unit(teachers + rng.normal(size=(200, 8)) * 0.6)
    tuned = unit(teachers + rng.normal(size=(200, 8)) * (0.6 - 0.5 * gain))
    texts = [str(n) for n in range(200)]
    groups = [f"video {n // 5}" for n in range(200)]

    tables: dict[str, HitTable] = {}

    def choice(wanted: str, **ways: np.ndarray) -> str:
        folds = np.arange(200) // 5 % 5
        return decide(
            ways,
            teachers,
            texts,
            groups,
            folds,
            wanted=wanted,
            not_tuned="few",
            hits=tables,
            seed=1,
        ).head

    assert choice("auto", ridge=ridge, tuned=tuned) == kept
    # Hits count where there are any, whatever the cosines are.
    for low, by_hits in ((0.01, "tuned"), (0.0, "ridge")):
        lead = Estimate(0.02, low, 0.04, 9)
        tables["vi"] = HitTable({"student, tuned − student, ridge": lead}, {}, 9, 9)
        assert choice("auto", ridge=ridge, tuned=tuned) == by_hits
    assert choice("auto", ridge=ridge) == "ridge"
    assert choice("tuned", ridge=ridge, tuned=tuned) == "tuned"
    assert choice("ridge", ridge=ridge) == "ridge"
