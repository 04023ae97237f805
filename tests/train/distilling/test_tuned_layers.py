"""Tuning beats a ridge regression where a linear map of what the student gives is not enough."""

from itertools import product
from pathlib import Path

import numpy as np
import pytest

from index.models.student import load_student
from tests.distilled_models import make_xlm
from train.distilling.cross_validation import Folds, ridge_vectors, tuned_vectors
from train.distilling.ridge import cosines, cross_validate, decompose, unit
from train.distilling.tuned_layers import tune
from train.distilling.upper_layers import UpperLayers

TEXTS = [
    f"{a} {b} {c} {d}"
    for a, b, c, d in product(
        ("the", "a"), ("red", "blue", "green"), ("truck", "bus", "car"), ("left", "right", "on")
    )
]


def teachers() -> np.ndarray:
    """One teacher's vector for each combination of the last three words."""
    rng = np.random.default_rng(5)
    of_last: dict[str, np.ndarray] = {}
    found = [of_last.setdefault(text.split(" ", 1)[1], rng.normal(size=12)) for text in TEXTS]
    return unit(np.stack(found)).astype(np.float32)


@pytest.fixture
def layers(tmp_path: Path) -> UpperLayers:
    student = load_student(str(make_xlm(tmp_path / "m")), pooling="mean", prompt=None)
    return UpperLayers(student, 2, TEXTS)


def test_tuning_is_nearer_than_ridge_and_seeded(
    layers: UpperLayers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("train.distilling.tuned_layers.LR", 3e-3)  # random layers have far to go
    monkeypatch.setattr("train.distilling.tuned_layers.EPOCHS", 20)
    numbers, targets = range(len(TEXTS)), teachers()
    students = layers.all_vectors(numbers).numpy()
    head = decompose(students, targets).head(1e-3)
    ridge = cosines(head(students), targets).mean()
    tuned = tune(layers, numbers, head, targets, seed=3)
    vectors = tuned(layers.all_vectors(numbers).numpy())
    assert cosines(vectors, targets).mean() > ridge + 0.02
    layers.restore()
    again = tune(layers, numbers, head, targets, seed=3)
    assert np.array_equal(again.weight, tuned.weight)
    layers.restore()
    assert np.array_equal(layers.all_vectors(numbers).numpy(), students)


def test_no_tuning_sees_its_own_fold(layers: UpperLayers) -> None:
    targets = teachers()
    of = np.arange(len(TEXTS)) % 2
    folds = Folds(of, {fold: of != fold for fold in range(2)})
    students = layers.all_vectors(range(len(TEXTS))).numpy()
    found = cross_validate(students, targets, of, folds.seen)
    ridge = ridge_vectors(found.heads, students, of)
    numbers = np.arange(len(TEXTS))
    tuned = tuned_vectors(layers, numbers, found.heads, targets, folds, seed=1)
    others = targets.copy()
    others[of == 1] = others[of == 1][::-1]
    again = tuned_vectors(layers, numbers, found.heads, others, folds, seed=1)
    assert np.array_equal(tuned[of == 1], again[of == 1])
    assert not np.allclose(tuned[of == 0], again[of == 0])
    assert ridge.shape == tuned.shape
    assert np.isfinite(tuned).all()
