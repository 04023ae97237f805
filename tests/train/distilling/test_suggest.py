"""Which texts to translate: the choice against plain greedy and the best, and the table."""

import csv
import json
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.arrays import Floats
from index.errors import CueframeError
from train.distilling import cover
from train.distilling.cover import covering
from train.distilling.pairs import read_pairs
from train.distilling.suggest import suggest, untranslated_texts

TEXTS = [
    "=1+1 is what?",
    "+ or -, which?",
    "- a dash",
    "@who is it?",
    "'=quoted",
    'a, "b"; c',
    "Phố nào?",
]


def unit_vectors(seed: int, count: int, width: int = 4) -> Floats:
    vectors = np.random.default_rng(seed).normal(size=(count, width)) + 0.5
    lengths: Floats = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: Floats = (vectors / lengths).astype(np.float32)
    return unit


def value(cosines: Floats, rows: list[int]) -> float:
    """The cover of some rows, from the definition."""
    return float(np.maximum(cosines[rows].max(0), 0).mean()) if rows else 0.0


def plain_greedy(vectors: Floats, k: int) -> list[int]:
    cosines = (vectors @ vectors.T).astype(np.float64)
    rows: list[int] = []
    for _ in range(min(k, len(vectors))):
        left = [n for n in range(len(vectors)) if n not in rows]
        values = [value(cosines, [*rows, n]) for n in left]
        rows.append(left[int(np.argmax(np.array(values) >= max(values) - 1e-9))])
    return rows


@given(st.integers(0, 10_000), st.integers(1, 40), st.integers(1, 12))
def test_each_choice_is_the_best_after_those_before(seed: int, count: int, k: int) -> None:
    vectors = unit_vectors(seed, count)
    rows, covers = covering(vectors, k)
    cosines = (vectors @ vectors.T).astype(np.float64)
    assert len(set(rows.tolist())) == min(k, count)
    for place, reached in enumerate(covers.tolist()):
        before = rows[:place].tolist()
        best = max(value(cosines, [*before, n]) for n in range(count))
        assert reached == pytest.approx(best, abs=1e-5)
        assert reached == pytest.approx(value(cosines, rows[: place + 1].tolist()), abs=1e-5)
    assert (np.diff(covers) >= 0).all()


@given(st.integers(0, 10_000), st.integers(1, 8), st.integers(1, 3))
def test_it_has_at_least_63_percent_of_the_best(seed: int, count: int, k: int) -> None:
    vectors = unit_vectors(seed, count, 3)
    cosines = (vectors @ vectors.T).astype(np.float64)
    k = min(k, count)
    best = max(value(cosines, list(rows)) for rows in combinations(range(count), k))
    assert covering(vectors, k)[1][-1] >= (1 - 1 / np.e) * best - 1e-6


def test_ties_go_to_the_earlier_and_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    three = np.repeat(np.eye(3, dtype=np.float32), [2, 3, 3], axis=0)
    assert covering(three, 8)[0].tolist() == [2, 5, 0, 1, 3, 4, 6, 7]
    vectors = unit_vectors(1, 300, 16)
    rows, _ = covering(vectors, 40)
    assert rows.tolist() == plain_greedy(vectors, 40)
    monkeypatch.setattr(cover, "_CANDIDATES", 7)
    monkeypatch.setattr(cover, "_COVERED", 11)
    monkeypatch.setattr(cover, "_AGAIN", 1)
    assert covering(vectors, 40)[0].tolist() == rows.tolist()


def test_of_many_texts_a_part_is_covered(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = unit_vectors(2, 400, 8)
    exact = covering(vectors, 10)[1][-1]
    monkeypatch.setattr(cover, "MOST_COVERED", 100)
    rows, _ = covering(vectors, 10)
    reached = value((vectors @ vectors.T).astype(np.float64), rows.tolist())
    assert reached > 0.95 * exact


def asked(path: Path, texts: list[str], **more: object) -> Path:
    records = [
        {"id": n, "question": text, "video_path": "v.mp4"} | more for n, text in enumerate(texts)
    ]
    path.write_text(json.dumps(records))
    return path


def vectors_of(texts: object) -> Floats:
    assert isinstance(texts, list)
    return unit_vectors(0, len(texts))


def test_the_table_filled_in_is_read_as_it_is(tmp_path: Path) -> None:
    questions, table = asked(tmp_path / "q.json", [*TEXTS, "12", TEXTS[0]]), tmp_path / "s.csv"
    found = suggest([questions], 100, table, vectors_of)
    assert sorted(found.texts) == sorted(TEXTS)
    assert (found.total, len(found.cover)) == (len(TEXTS), len(TEXTS))
    assert table.read_bytes().startswith(b"\xef\xbb\xbftext,translation\r\n")
    with table.open(encoding="utf-8-sig", newline="") as file:
        head, *rows = csv.reader(file)
    assert all(row[0][0] not in "=+-@" and row[1] == "" for row in rows)
    with pytest.raises(CueframeError, match="none of 7 texts has a translation yet"):
        read_pairs([table])
    for separator in ",;\t":
        with table.open("w", encoding="utf-8", newline="") as file:
            filled = [[text, f"'- bản dịch {n}"] for n, (text, _) in enumerate(rows)]
            csv.writer(file, delimiter=separator).writerows([head, *filled])
        pairs = read_pairs([table]).pairs
        assert [pair.teacher for pair in pairs] == found.texts
        assert [pair.student for pair in pairs] == [f"- bản dịch {n}" for n in range(7)]


def test_translations_are_never_written_over(tmp_path: Path) -> None:
    questions, table = asked(tmp_path / "q.json", TEXTS), tmp_path / "s.csv"
    suggest([questions], 2, table, vectors_of)
    suggest([questions], 3, table, vectors_of)  # nothing is lost
    for content in (
        table.read_text().replace("is it?,", "is it?,ai?") + "more,nữa\r\n",
        "something else\n",
        "text,translation\n,lost\n",
        "\xff",
    ):
        table.write_text(content, encoding="latin-1" if content == "\xff" else "utf-8")
        before = table.read_bytes()
        with pytest.raises(CueframeError, match="name another file"):
            suggest([questions], 2, table, vectors_of)
        assert table.read_bytes() == before
    with pytest.raises(CueframeError, match="name another file"):
        suggest([questions], 2, questions, vectors_of)


def test_texts_of_questions_and_events_count_once(tmp_path: Path) -> None:
    one = asked(tmp_path / "a.json", ["What  happens?", "77"], events=["rain", "sun", "rain"])
    two = asked(tmp_path / "b.json", ["What happens?", "bell\x07"], choices=["Red", "Blue"])
    assert untranslated_texts([one, two]) == ["What happens?", "rain", "sun"]
    with pytest.raises(CueframeError, match="no question has a text with letters"):
        untranslated_texts([asked(tmp_path / "c.json", ["1", "?"])])
