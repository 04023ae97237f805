"""Ridge regression from a student's unit vectors onto a teacher's, its strength by held-out pairs.

    minimise  Σ ‖(t − t̄) − W (s − s̄)‖² + λ ‖W‖²,   λ = strength · Σ ‖s − s̄‖²

The intercept is not shrunk (Hastie, Tibshirani and Friedman, The Elements of Statistical Learning,
3.4.1). One decomposition of the students serves all strengths. scikit-learn would be a dependency
for this closed form alone: its RidgeCV shares a decomposition only for leave-one-out and squared
errors, and here whole groups are held out and cosines count.

Legend: n pairs, S and T widths of a student's and a teacher's vector, r ≤ min(n, S) directions,
L strengths.
"""

from collections.abc import Mapping
from itertools import combinations
from typing import NamedTuple

import numpy as np

from index.arrays import Bools, Floats, Integers

STRENGTHS: tuple[float, ...] = tuple(10.0**power for power in (-3.0, -2.5, -2.0, -1.5, -1.0, 0.0))
"""Strengths that are tried. Weaker ones win on wordings like those of the pairs, and lose far more
on others: heads of 416 pairs of questions, for two encoders, had a cosine of 0.90 and 0.91 to the
teacher on unseen questions, and of 0.69 and 0.76 on captions of the same things, at 1e-3; at 1e-6,
which held-out pairs would choose, of 0.96 and 0.96, and of 0.36 and 0.15."""
_WITHOUT_FOLDS = 0.1
"""Strength of a fold's head where no fold is left to choose it on."""
_FEW = 4096
"""Rows of one block in float64, so that memory does not grow by copies of all."""


class Head(NamedTuple):
    """A linear map from a student's unit vectors onto the teacher's space."""

    weight: Floats
    """(T, S) float64."""
    bias: Floats
    """(T,) float64."""

    def __call__(self, students: Floats) -> Floats:
        """Return (n, T) float64 unit vectors of students (n, S)."""
        vectors: Floats = np.asarray(students, np.float64) @ self.weight.T + self.bias
        return unit(vectors)


class Decomposed(NamedTuple):
    """Pairs decomposed for ridge regressions of any strength."""

    student_mean: Floats
    """(S,)."""
    teacher_mean: Floats
    """(T,)."""
    directions: Floats
    """(S, r) orthonormal directions of the centred students."""
    squares: Floats
    """(r,) sums of squares of the centred students along them."""
    products: Floats
    """(r, T) sums of products of those and the centred teachers."""

    def shrunk(self, strength: float) -> Floats:
        """Return (r, T) the coefficients along the directions."""
        divisors = self.squares + strength * self.squares.sum()
        shares = np.divide(1.0, divisors, out=np.zeros_like(divisors), where=divisors > 0)
        coefficients: Floats = self.products * shares.reshape(-1, 1)
        return coefficients

    def head(self, strength: float) -> Head:
        """Return the head of a strength."""
        weight = (self.directions @ self.shrunk(strength)).T
        return Head(weight, self.teacher_mean - weight @ self.student_mean)


def unit(vectors: Floats) -> Floats:
    """Return vectors (n, D) at length 1; those of length 0 as they are."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    found: Floats = vectors / np.where(lengths > 0, lengths, 1.0)
    return found


def cosines(vectors: Floats, others: Floats) -> Floats:
    """Return (n,) cosines of unit vectors, row by row; 0 of a vector of length 0."""
    return np.asarray(np.einsum("nd,nd->n", vectors, others, dtype=np.float64))


def decompose(students: Floats, teachers: Floats) -> Decomposed:
    """Decompose n pairs in min(n, S) dimensions, in float64, with memory linear in n.

    Args:
        students: (n, S) unit vectors of the translations.
        teachers: (n, T) unit vectors of the texts.
    """
    n, width = students.shape
    means = [vectors.sum(axis=0, dtype=np.float64) / max(n, 1) for vectors in (students, teachers)]
    if n < width:
        left, singular, right = np.linalg.svd(students - means[0], full_matrices=False)
        products = singular.reshape(-1, 1) * (left.T @ (teachers - means[1]))
        return Decomposed(means[0], means[1], right.T, singular**2, products)
    squares = np.zeros((width, width))
    products = np.zeros((width, teachers.shape[1]))
    for start in range(0, n, _FEW):
        own = students[start : start + _FEW] - means[0]
        squares += own.T @ own
        products += own.T @ (teachers[start : start + _FEW] - means[1])
    values, directions = np.linalg.eigh(squares)
    return Decomposed(
        means[0], means[1], directions, np.maximum(values, 0.0), directions.T @ products
    )


def held_out_cosines(pairs: Decomposed, students: Floats, teachers: Floats) -> Floats:
    """Return (L, n) cosines between teachers and the heads of all strengths on other pairs.

    Products are in float32, which costs half, and of which only means are compared.
    """
    found = np.empty((len(STRENGTHS), len(students)))
    along = ((students - pairs.student_mean) @ pairs.directions).astype(np.float32)  # (n, r)
    mean = pairs.teacher_mean.astype(np.float32)
    for number, strength in enumerate(STRENGTHS):
        coefficients = pairs.shrunk(strength).astype(np.float32)
        for start in range(0, len(students), _FEW):
            block = slice(start, start + _FEW)
            vectors = unit(along[block] @ coefficients + mean)
            found[number, block] = cosines(vectors, teachers[block])
    return found


class CrossValidated(NamedTuple):
    """A strength, and ridge regressions for pairs that they have not seen."""

    best: float
    """The strength of the greatest mean cosine on pairs that a head has not seen."""
    heads: dict[int, Head]
    """By fold, the head of the pairs that it may see, of the strength that is best among these."""


def cross_validate(
    students: Floats, teachers: Floats, folds: Integers, seen: Mapping[int, Bools]
) -> CrossValidated:
    """Choose the strength by the mean cosine on held-out pairs; of equals, the greater.

    Nested: a fold's head is of the strength that is best among the pairs that it may see.

    Args:
        students: (n, S) unit vectors of the translations.
        teachers: (n, T) unit vectors of the texts.
        folds: (n,) the fold of each pair.
        seen: For each of two folds or more, (n,) the pairs that its heads learn from.
    """
    assert len(seen) > 1
    without = {fold: decompose(students[rows], teachers[rows]) for fold, rows in seen.items()}
    found = np.empty((len(STRENGTHS), len(students)))
    inner = dict.fromkeys(seen, found[:, :0])
    for fold, pairs in without.items():
        out = folds == fold
        found[:, out] = held_out_cosines(pairs, students[out], teachers[out])
    # What is held out of a fold's own pairs, one other fold at a time; each head serves both.
    for both in combinations(seen, 2) if len(seen) > 2 else ():
        rows = seen[both[0]] & seen[both[1]]
        pairs = decompose(students[rows], teachers[rows])
        for outer, held in (both, both[::-1]):
            out = seen[outer] & (folds == held)
            figures = held_out_cosines(pairs, students[out], teachers[out])
            inner[outer] = np.hstack([inner[outer], figures])
    heads = {fold: pairs.head(_best(inner[fold])) for fold, pairs in without.items()}
    return CrossValidated(_best(found), heads)


def _best(found: Floats) -> float:
    """Return the strength of the greatest mean of cosines (L, n)."""
    if not found.shape[1]:
        return _WITHOUT_FOLDS
    means = found.mean(axis=1)
    return STRENGTHS[int(np.flatnonzero(means >= means.max() - 1e-12).max())]
