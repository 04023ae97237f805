"""Several indexes asked at once, as a user does it."""

import functools
import json
import shutil
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from examples.tiny_clip import make_tiny_clip
from index.build import BuildConfig, build
from index.storage.store import vectors_path
from infer.selection.joined_encoders import joined
from infer.selection.sequences import best_sequence
from tests.fixtures_infer import (
    TEXTS,
    best_of_segments,
    ends_of,
    ran,
    refused,
    seen_as,
    stored,
    text_vectors,
    world,
    write_questions,
)

ASKED: list[dict[str, Any]] = [
    {"video_path": "vp9.webm", "support_frames": [1.0]},
    {"video_path": "b_frames.mp4", "question": TEXTS[1], "support_frames": [0.4, 2.0]},
    {"video_path": "b_frames.mp4", "question": TEXTS[2], "span_s": [0.7, 1.6]},
    {"video_path": "vp9.webm", "events": TEXTS[:3], "support_frames": [0.2, 1.0, 2.0]},
    {"video_path": "few.mp4", "support_frames": [1.0]},
]
INDEXED = ("vp9.webm", "b_frames.mp4")


@functools.cache
def second() -> tuple[Path, Path]:
    """Another index of two of the videos, in tiles and at 3 frames a second, and its model."""
    folder = world().folder / "second"
    for name in INDEXED:  # under other names
        path = folder / "videos" / f"again_{name}"
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(world().videos / name, path)
    make_tiny_clip(folder / "model", TEXTS, seed=5, layers=2)
    model, videos, index = folder / "model", folder / "videos", folder / "index"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("index.discovery._TICK_NS", -1)
        flags: dict[str, Any] = {"fps": 3.0, "view": "tiles", "workers": 1}
        assert build(BuildConfig(videos=videos, index=index, model=str(model), **flags)) == 0
    return index, model


def curves_of(name: str, texts: list[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """By each index: scores (Q, F) at the first one's rows; their times and the duration."""
    index, model = second()
    vectors, time_s, duration_s = stored(world().index, world().videos / name)
    content = seen_as(world().index, world().videos / name).content_hash
    with h5py.File(vectors_path(index, content)) as file:
        tiles = file["embeddings"][:].astype(np.float64)
        starts, ends = file["time_s"][:], file["end_s"][:]
    first = text_vectors(world().model, texts) @ vectors.T
    second_texts = text_vectors(model, texts)
    best = (tiles @ second_texts.T).max(axis=1)  # (F', Q)
    rows = []
    for moment in time_s:
        away = [max(0.0, a - moment, moment - b) for a, b in zip(starts, ends, strict=True)]
        shown = [n for n, (a, b) in enumerate(zip(starts, ends, strict=True)) if a <= moment < b]
        rows.append((shown or [away.index(min(away))])[0])
    return first, best[rows].T, time_s, duration_s


@pytest.fixture
def questions(tmp_path: Path) -> Path:
    return write_questions(tmp_path / "questions.json", *ASKED)


def test_frames_are_those_of_the_joined_curves(
    questions: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "a.jsonl"
    both = ("--index", world().index, "--index", second()[0])
    result = ran(capsys, "answer.py", questions, *both, "--output", output, "--frames", 3)
    assert result.code == 1
    assert f"few.mp4 has no vectors in {second()[0]}; add it with python" in result.err
    answers = [json.loads(line) for line in output.read_text().splitlines()]
    assert ["error" in one for one in answers] == [False, False, False, False, True]
    for answer, asked in zip(answers[:4], ASKED, strict=False):
        texts = asked.get("events") or [asked.get("question", TEXTS[0])]
        first, other, time_s, duration_s = curves_of(asked["video_path"], texts)
        ends_s = ends_of(world().index, world().videos / asked["video_path"])
        frames = answer["frames"]
        rows = [frame["row"] for frame in frames]
        if "events" in asked:
            assert rows == best_sequence(joined(first, [other])).tolist()
        elif "span_s" in asked:
            start, end = asked["span_s"]
            inside = np.flatnonzero((time_s <= end) & (ends_s > start))
            curve = joined(first[:, inside], [other[:, inside]])[0]
            own_s = np.maximum(time_s[inside], start) - start
            assert rows == inside[best_of_segments(curve, own_s, end - start, 3)].tolist()
        else:
            curve = joined(first, [other])[0]
            assert rows == best_of_segments(curve, time_s, duration_s, 3)
        events = range(len(texts)) if "events" in asked else [0] * len(rows)
        scores = [frame["score"] for frame in frames]
        np.testing.assert_allclose(scores, first[list(events), rows], atol=2e-6)
        assert all("tile" not in frame for frame in frames)


def test_the_table_has_the_joined_picks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    questions = write_questions(tmp_path / "questions.json", *ASKED[:2], ASKED[3])
    both = ("--index", world().index, "--index", second()[0])
    (told,) = ran(capsys, "compare.py", questions, *both).records
    for pick in ("quarters", "hills"):
        output = tmp_path / f"{pick}.jsonl"
        ran(capsys, "answer.py", questions, *both, "--output", output, "--pick", pick)
        plain = write_questions(tmp_path / "plain.json", *ASKED[:2])
        index = ("--index", world().index, "--judge", "none")
        (scored,) = ran(capsys, "score.py", output, plain, *index).records
        assert scored["rows"]["answers"] == told["rows"][pick]
    events = write_questions(tmp_path / "events.json", ASKED[3] | {"id": "q2"})
    (scored,) = ran(capsys, "score.py", output, events, *index).records
    assert scored["rows"]["answers"] == told["events"]["rows"]["sequence"]


def test_models_are_named_for_each_index_or_for_none(
    questions: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    index, model = second()
    both = ("--index", world().index, "--index", index)
    flags = ("--output", tmp_path / "a.jsonl")
    refused(
        ran(capsys, "answer.py", questions, *both, *flags, "--model", model),
        "--model is given 1 times for 2 --index; name one for each",
    )
    refused(
        ran(capsys, "compare.py", questions, "--index", index, "--index", index),
        f"--index {index} is given twice",
    )
    swapped = ("--model", model, "--model", world().model)
    refused(
        ran(capsys, "answer.py", questions, *both, *flags, *swapped), "the vision side of", "is not"
    )
    named = ("--model", world().model, "--model", model)
    assert ran(capsys, "answer.py", questions, *both, *flags, *named).code == 1  # few.mp4


def test_a_run_goes_on_with_the_same_indexes_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    questions = write_questions(tmp_path / "q.json", *ASKED[:2])
    index = second()[0]
    first, other = ("--index", world().index), ("--index", index)
    flags = ("--output", tmp_path / "a.jsonl")

    def interrupt(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("infer.answering.run.write_answers", interrupt)
        assert ran(capsys, "answer.py", questions, *first, *other, *flags).code == 130
    for call in (first, (*other, *first)):
        refused(ran(capsys, "answer.py", questions, *call, *flags), "--index")
    done = ran(capsys, "answer.py", questions, *first, *other, *flags)
    assert (done.code, json.loads(done.out)["resumed"]) == (0, 2)
