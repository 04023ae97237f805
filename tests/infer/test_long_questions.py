"""Questions and choices that are longer than the encoder reads, from the command to its files."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from index.models.encoder import load_encoder
from index.models.long_texts import LongText, TwoParts
from infer.choices import chosen
from infer.query_encoder import encode_texts
from infer.questions import Question
from infer.readers.clip_reader import choice_probabilities
from infer.selection.strategies import ScoredVideo
from tests.fixtures_infer import ran, text_vectors, world, write_questions
from tests.infer.long_video import VIDEO, long_index

Capture = pytest.CaptureFixture[str]
FILLER = "Please watch the whole clip with great care before you give an answer. " * 3
SHOWN = [f"The {colour} {name} passes." for colour in ("red", "blue") for name in ("bus", "car")]
BEGINNING = (
    "Chiếc xe tải chở hàng dừng lại bên lề đường ngay dưới tấm biển báo lớn, người tài xế bước "
    "xuống nhìn quanh một lúc rồi đi về phía "
)
ENDS = ("ngôi nhà màu xanh", "ngôi nhà màu đỏ")


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A video whose frames are each what one of the sentences says."""
    folder = tmp_path_factory.mktemp("long") / "index"
    return long_index(folder, len(SHOWN), text_vectors(world().model, SHOWN))


def answered(
    capsys: Capture, folder: Path, index: Path, questions: list[dict[str, Any]], *flags: object
) -> tuple[list[dict[str, Any]], dict[str, Any], str]:
    """Records, result and stderr."""
    file = write_questions(folder / "q.json", *({"video_path": VIDEO} | one for one in questions))
    output = folder / "a.jsonl"
    given = (file, "--index", index, "--output", output, "--frames", 1, *flags)
    result = ran(capsys, "answer.py", *given)
    assert result.code == 0, result.err
    records = [json.loads(line) for line in output.read_text().splitlines()]
    return records, json.loads(result.out), result.err


def test_key_words_past_the_end_are_read_in_windows_alone(
    capsys: Capture, tmp_path: Path, index: Path
) -> None:
    questions = [{"question": FILLER + said} for said in SHOWN]
    rows: dict[str, list[int]] = {}
    for how in ("windows", "truncate"):
        records, result, err = answered(capsys, tmp_path, index, questions, "--long-text", how)
        rows[how] = [one["frames"][0]["row"] for one in records]
        assert result["too_long"] == 4
        assert ("windows" in err) == (how == "windows")
    assert rows["windows"] == [0, 1, 2, 3]
    assert len(set(rows["truncate"])) == 1


@pytest.mark.parametrize("how", ["windows", "truncate"])
def test_a_tie_is_no_answer(capsys: Capture, tmp_path: Path, index: Path, how: str) -> None:
    """As where the model reads the same of both choices."""
    questions = [
        {"question": "Which?", "choices": [BEGINNING + end for end in ENDS]},
        {"question": "Which?", "choices": ["A. red", "B. blue"]},
        {"question": "Which?", "choices": [BEGINNING + ENDS[0]] * 2},
    ]
    rows = tmp_path / "s.csv"
    flags = ("--reader", "clip", "--long-text", how, "--submission", rows, "--guess", "?")
    records, result, err = answered(capsys, tmp_path, index, questions, *flags)
    ties = how == "truncate"
    assert (result["answered"], result["undecided"]) == (3 - ties, int(ties))
    assert result["guessed"] == ties
    assert all(len(one["frames"]) == 1 for one in records)
    assert records[2]["answer"]["letter"] == "A"
    assert records[1]["answer"]["letter"] in "AB"
    first = records[0]["answer"]
    assert ("undecided" in first) == ("not answered: q0: the reader cannot" in err) == ties
    given = [answer for _, answer in list(csv.reader(rows.read_text().splitlines()))[1:]]
    assert given[0] == ("?" if ties else first["letter"])
    if ties:
        assert first == {
            "text": "",
            "undecided": "the reader cannot tell the choices A, B apart",
            "probabilities": {"A": 0.5, "B": 0.5},
        }


def test_no_two_of_many_long_choices_are_one_text() -> None:
    """200 pairs of Vietnamese choices of over 77 tokens that differ in their last word alone."""
    encoder, _ = load_encoder(str(world().model), device=torch.device("cpu"))
    named = [f"{BEGINNING}ngôi nhà số {n} màu" for n in range(200)]
    pairs = [(f"{one} xanh", f"{one} đỏ") for one in named]
    rng = np.random.default_rng(0)
    frames = rng.normal(size=(40, encoder.width))
    frames /= np.linalg.norm(frames, axis=1, keepdims=True)
    time_s = np.arange(40.0)
    letters: dict[str, list[str]] = {}
    hows: tuple[LongText, ...] = ("windows", "truncate")
    for how in hows:
        texts = [TwoParts("Người tài xế đi về phía nào?", own) for pair in pairs for own in pair]
        vectors, too_long = encode_texts(encoder, texts, how)
        assert too_long.all()
        video = ScoredVideo(
            scores=np.zeros((200, 40)),
            time_s=time_s,
            end_s=time_s + 1,
            duration_s=40.0,
            vectors=frames[:, None],
            seeds=np.zeros(200, np.uint64),
        )
        shown = np.ones((200, 40), np.bool_)
        shares = choice_probabilities(vectors, [2] * 200, video, shown, 100.0)
        questions = [
            Question.model_validate(
                {"id": "q", "question": "?", "choices": pair, "video_path": "x"}
            )
            for pair in pairs
        ]
        answers = [
            chosen(one, share.tolist(), 1e-4) for one, share in zip(questions, shares, strict=True)
        ]
        letters[how] = [answer.get("letter", "none") for answer in answers]
        apart = [
            float(np.abs(a - b).max()) for a, b in zip(vectors[::2], vectors[1::2], strict=True)
        ]
        assert (min(apart) > 1e-4) if how == "windows" else (max(apart) < 1e-6)
    assert set(letters["windows"]) == {"A", "B"}
    assert set(letters["truncate"]) == {"none"}
