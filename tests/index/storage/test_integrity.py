"""Each thing that can be wrong with a vector file is told, and nothing that is right."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.storage.integrity import examine
from index.storage.store import UNIT_LENGTH_TOLERANCE, Vectors, write_profile, write_vectors
from tests.index.storage.test_store import HASH, METADATA, PROFILE

GOOD = Vectors(
    embeddings=np.eye(PROFILE.width, dtype=np.float16)[:5, None],
    time_s=np.arange(5) / 2,
    end_s=np.arange(5) / 2 + 0.04,
    content_hash=HASH,
    path_hint="/v.mp4",
    profile=PROFILE,
    metadata=METADATA,
)


def problems(index: Path, vectors: Vectors) -> list[str]:
    """What is wrong with a vector file of an index that has three sound ones besides."""
    write_profile(index, PROFILE)
    for number in range(1, 4):
        write_vectors(index, replace(GOOD, content_hash=f"{number:032}"))
    write_vectors(index, vectors)
    return list(examine(index).unusable.values())


def scaled(factor: float) -> Vectors:
    return replace(GOOD, embeddings=(GOOD.embeddings * np.float16(factor)).astype(np.float16))


def test_a_sound_file_has_none(tmp_path: Path) -> None:
    assert problems(tmp_path, GOOD) == []


@pytest.mark.parametrize("factor", [1.01, 0.99, 1.005, 0.995, 2.0, 0.0])
def test_a_vector_that_is_not_of_unit_length_is_told(tmp_path: Path, factor: float) -> None:
    (line,) = problems(tmp_path, scaled(factor))
    assert "has vectors that are not of unit length" in line
    one = np.array(GOOD.embeddings)
    one[3] *= np.float16(factor)
    (line,) = problems(tmp_path, replace(GOOD, embeddings=one))
    assert "unit length" in line


@given(st.integers(1, 2048), st.integers(0, 2**31))
def test_rounding_to_float16_stays_within_the_tolerance(width: int, seed: int) -> None:
    drawn = np.random.default_rng(seed).normal(size=(20, width))
    unit = drawn / np.linalg.norm(drawn, axis=1, keepdims=True)
    lengths = np.linalg.norm(unit.astype(np.float16).astype(np.float32), axis=1)
    assert np.abs(lengths - 1).max() < UNIT_LENGTH_TOLERANCE / 2


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        ({"profile": PROFILE.model_copy(update={"fps": 3.0})}, "was made by another profile"),
        ({"embeddings": GOOD.embeddings.astype(np.float32)}, "has float32"),
        ({"embeddings": GOOD.embeddings[:4]}, "(4, 1, 16), not float16 (F, 1, 16)"),
        ({"embeddings": GOOD.embeddings[..., :8]}, "(5, 1, 8), not float16 (F, 1, 16)"),
        ({"embeddings": GOOD.embeddings.repeat(2, 1)}, "(5, 2, 16), not float16 (F, 1, 16)"),
        ({"end_s": GOOD.end_s[:4]}, "frames that end before they begin or after the next"),
        ({"end_s": GOOD.time_s}, "frames that end before they begin or after the next"),
        ({"end_s": GOOD.time_s + 0.6}, "frames that end before they begin or after the next"),
        ({"time_s": GOOD.time_s[::-1].copy()}, "times that do not ascend"),
        ({"time_s": np.array([0, 1, 1, 2, 3.0])}, "times that do not ascend"),
        ({"time_s": GOOD.time_s - 1}, "times that do not ascend from 0"),
        ({"embeddings": GOOD.embeddings * np.float16("nan")}, "values that are not finite"),
    ],
)
def test_what_is_wrong_is_told(tmp_path: Path, change: dict[str, object], wanted: str) -> None:
    (line,) = problems(tmp_path, replace(GOOD, **change))  # type: ignore[arg-type]  # by field name
    assert wanted in line
    assert "\n" not in line


def test_a_file_under_another_name_is_told(tmp_path: Path) -> None:
    write_vectors(tmp_path, GOOD)
    path = tmp_path / "vectors" / "ab" / f"{HASH}.h5"
    other = f"ab{'1' * 30}"
    path.rename(path.with_name(f"{other}.h5"))
    (line,) = problems(tmp_path, replace(GOOD, content_hash="ef" + "0" * 30))
    assert f"holds the vectors of {HASH}" in line
