import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from train.distilling.ridge import (
    STRENGTHS,
    CrossValidated,
    cosines,
    cross_validate,
    decompose,
    held_out_cosines,
    unit,
)


def drawn(n: int, s: int, t: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors as encoders give them: off the middle, the teacher's a noisy map."""
    rng = np.random.default_rng(seed)
    students = unit(rng.normal(size=(n, s)) + 3 * rng.normal(size=s))
    noise = 0.1 * rng.normal(size=(n, t))
    teachers = unit(students @ rng.normal(size=(s, t)) + noise + rng.normal(size=t))
    return students.astype(np.float32), teachers.astype(np.float32)


def oracle(students: np.ndarray, teachers: np.ndarray, strength: float) -> np.ndarray:
    """The weight by least squares with a row for each shrunk coefficient."""
    x, y = (np.float64(v) - np.float64(v).mean(axis=0) for v in (students, teachers))
    rows = np.sqrt(strength * (x**2).sum()) * np.eye(x.shape[1])
    whole = np.vstack([x, rows]), np.vstack([y, np.zeros((len(rows), y.shape[1]))])
    solved: np.ndarray = np.linalg.lstsq(*whole, rcond=None)[0]
    return solved.T


@given(
    n=st.integers(2, 40),
    s=st.integers(1, 24),
    t=st.integers(1, 12),
    strength=st.sampled_from(STRENGTHS),
    seed=st.integers(0, 1000),
)
def test_a_head_is_that_of_least_squares(
    n: int, s: int, t: int, strength: float, seed: int
) -> None:
    students, teachers = drawn(n, s, t, seed)
    head = decompose(students, teachers).head(strength)
    weight = oracle(students, teachers, strength)
    assert head.weight == pytest.approx(weight, rel=1e-5, abs=1e-7)
    means = np.float64(students).mean(axis=0), np.float64(teachers).mean(axis=0)
    assert means[0] @ head.weight.T + head.bias == pytest.approx(means[1])


def test_blocks_are_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    students, teachers = drawn(300, 8, 5)
    whole = decompose(students, teachers)
    figures = held_out_cosines(whole, students[:100], teachers[:100])
    monkeypatch.setattr("train.distilling.ridge._FEW", 7)
    blocks = decompose(students, teachers)
    assert blocks.head(0.01).weight == pytest.approx(whole.head(0.01).weight)
    assert held_out_cosines(blocks, students[:100], teachers[:100]) == pytest.approx(figures)


@pytest.mark.parametrize(("n", "s"), [(2, 8), (50, 8), (6, 8)])
def test_equal_and_constant_pairs_have_a_finite_head(n: int, s: int) -> None:
    students, teachers = drawn(n, s, 5)
    for x, y in ((students[:1].repeat(n, 0), teachers), (students, teachers[:1].repeat(n, 0))):
        head = decompose(x, y).head(STRENGTHS[0])
        assert np.isfinite(head.weight).all()
        assert head(x) == pytest.approx(np.tile(unit(np.float64(y).mean(axis=0)[None]), (n, 1)))
    twice = decompose(students.repeat(2, 0), teachers.repeat(2, 0)).head(0.01)
    assert twice.weight == pytest.approx(decompose(students, teachers).head(0.01).weight)


def tried(students: np.ndarray, teachers: np.ndarray) -> CrossValidated:
    folds = np.arange(len(students)) % 5
    return cross_validate(students, teachers, folds, {fold: folds != fold for fold in range(5)})


def test_no_head_sees_its_own_fold() -> None:
    students, teachers = drawn(60, 8, 5)
    heads = tried(students, teachers).heads
    others = teachers.copy()
    others[2::5] = unit(np.random.default_rng(9).normal(size=(12, 5)))
    again = tried(students, others).heads
    assert again[2].weight == pytest.approx(heads[2].weight, abs=0)
    assert again[1].weight != pytest.approx(heads[1].weight)


def test_the_strength_is_that_of_the_noise() -> None:
    """Hardly any shrinking where a map is exact, much where the pairs have nothing in common."""
    students, teachers = drawn(400, 8, 5)
    exact = tried(students, unit(students @ np.eye(8)[:, :5]))
    assert exact.best == STRENGTHS[0]
    shuffled = np.random.default_rng(1).permutation(teachers)
    assert tried(students, shuffled).best >= 0.1


def test_a_head_brings_unseen_pairs_near() -> None:
    students, teachers = drawn(400, 16, 8)
    seen = tried(students[:300], teachers[:300])
    head = decompose(students[:300], teachers[:300]).head(seen.best)
    unseen = cosines(head(students[300:]), teachers[300:]).mean()
    mean = cosines(
        np.tile(unit(teachers[:300].mean(axis=0)[None]), (100, 1)), teachers[300:]
    ).mean()
    assert unseen > 0.99 > mean


@pytest.mark.parametrize("n", [2, 3])
def test_two_pairs_are_enough(n: int) -> None:
    students, teachers = drawn(n, 8, 5)
    folds = np.arange(n) % 2
    found = cross_validate(students, teachers, folds, {0: folds == 1, 1: folds == 0})
    assert found.best in STRENGTHS
    assert all(np.isfinite(head.weight).all() for head in found.heads.values())


def test_a_fold_that_may_see_nothing_has_a_head() -> None:
    students, teachers = drawn(6, 8, 5)
    folds = np.arange(6) % 3
    seen = {fold: (folds != fold) & (fold != 1) for fold in range(3)}
    head = cross_validate(students, teachers, folds, seen).heads[1]
    assert head(students) == pytest.approx(np.zeros((6, 5)))
