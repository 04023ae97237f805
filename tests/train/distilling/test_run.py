"""train/distill.py from end to end, with small random models."""

import csv
import json
import runpy
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import SafetensorError

from index.models.encoder import load_encoder
from index.storage.store import read_profile
from tests import fixtures_infer
from tests.distilled_models import make_xlm
from tests.fixtures_infer import INDEXED, Ran, refused, write_questions
from tests.paths import ROOT

Capture = pytest.CaptureFixture[str]
COLOURS = {"red": "đỏ", "blue": "xanh", "green": "lục", "white": "trắng", "black": "đen"}
THINGS = {
    "truck": "xe tải",
    "bus": "xe buýt",
    "car": "ô tô",
    "bridge": "cây cầu",
    "road": "con đường",
}
PAIRS = [
    (f"Where is the {c} {t}?", f"{THINGS[t]} màu {COLOURS[c]} ở đâu?")
    for c in COLOURS
    for t in THINGS
]


@pytest.fixture(scope="module")
def student(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_xlm(tmp_path_factory.mktemp("students") / "xlm")


def write_pairs(
    path: Path, rows: Sequence[tuple[str, ...]], head: tuple[str, ...] = ("en", "vi")
) -> Path:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([head, *rows])
    return path


def ran(capsys: Capture, *args: object) -> Ran:
    capsys.readouterr()
    old = sys.argv
    sys.argv = ["distill.py", *map(str, args)]
    try:
        with pytest.raises(SystemExit) as ended:
            runpy.run_path(str(ROOT / "train/distill.py"), run_name="__main__")
    finally:
        sys.argv = old
    said = capsys.readouterr()
    return Ran(int(str(ended.value.code)), said.out, said.err)


def distilled(capsys: Capture, student: Path, pairs: Path, output: Path, *more: object) -> Ran:
    here = fixtures_infer.world()
    usual = ("--index", here.index, "--student", student, "--pooling", "mean")
    return ran(capsys, *usual, "--pairs", pairs, "--output-path", output, *more)


def test_a_student_is_taught_and_asks_the_index(
    student: Path, tmp_path: Path, capsys: Capture
) -> None:
    output = tmp_path / "models" / "distilled"
    pairs = write_pairs(tmp_path / "pairs.csv", PAIRS)
    result = distilled(capsys, student, pairs, output, "--route")
    assert result.code == 0, result.err
    (found,) = result.records
    assert found["pairs"] == 25
    assert (found["head"], found["route"], found["languages"]) == ("ridge", "en", ["vi"])
    assert set(found["held_out"]) == {"ridge", "chance"}
    assert "25 pairs: the teacher reads en, and the student learns vi" in result.err
    assert {path.name for path in output.iterdir()} == {
        *("distilled.json", "teacher", "student", "distillation.json", "README.md")
    }
    record = json.loads((output / "distillation.json").read_text())
    assert record["result"]["held_out"] == found["held_out"]
    assert record["configuration"]["student"] == str(student)
    assert str(output) in (output / "README.md").read_text()
    assert not list(output.parent.glob(".*"))

    here = fixtures_infer.world()
    profile = read_profile(here.index)
    cpu = torch.device("cpu")
    encoder, fingerprint = load_encoder(str(output), view=profile.view, device=cpu)
    assert fingerprint == profile.fingerprint
    teacher, _ = load_encoder(str(here.model), view=profile.view, device=cpu)
    english, vietnamese = zip(*PAIRS, strict=True)
    ours, theirs = encoder.texts(vietnamese)[0], teacher.texts(english)[0]
    assert (ours * theirs).sum(axis=1).mean() > found["held_out"]["ridge"]["cosine"]["mean"] - 0.05

    questions = write_questions(
        tmp_path / "q.json", {"question": PAIRS[0][1], "video_path": INDEXED[0]}
    )
    asked = fixtures_infer.ran(
        capsys, "answer.py", questions, "--index", here.index, "--model", output
    )
    assert asked.code == 0, asked.err


def test_labelled_questions_count_hits_and_layers_are_tuned(
    student: Path, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("train.distilling.tuned_layers.EPOCHS", 1)
    monkeypatch.setattr("train.distilling.fitting.TUNED_FROM", 10)
    records: list[list[dict[str, Any]]] = [[], []]
    for n, pair in enumerate(PAIRS):
        video = {"video_path": INDEXED[n % 4], "support_frames": [0.5]}
        for own, text in zip(records, pair, strict=True):
            own.append({"question": text, **video})
    english = write_questions(tmp_path / "en.json", *records[0])
    vietnamese = write_questions(tmp_path / "vi.json", *records[1])
    usual = (capsys, student, english)
    more = ("--pairs", vietnamese, "--mix")
    result = distilled(*usual, tmp_path / "out", *more, "--head", "tuned")
    assert result.code == 0, result.err
    (found,) = result.records
    assert (found["pairs"], found["mixed"], found["route"]) == (25, 25, None)
    assert set(found["held_out"]) == {"ridge", "tuned", "tuned − ridge", "chance"}
    hits = found["hits"]["vi"]
    assert (hits["questions"], hits["videos"]) == (25, 4)
    assert {"student, ridge", "student, tuned", "teacher, en", "uniform"} <= set(hits["hit"])
    assert "uniform" in result.err
    assert "these intervals are by 4 videos" in result.err
    assert found["head"] == "tuned"

    # With so few videos the lead of the teacher is no more than chance.
    result = distilled(*usual, tmp_path / "other", *more)
    assert result.records[0]["head"] == "ridge"
    assert "it hits no less than the teacher" in result.err
    assert set(result.records[0]["held_out"]) == {"ridge", "chance"}


def test_refusals_are_one_line(student: Path, tmp_path: Path, capsys: Capture) -> None:
    here = fixtures_infer.world()
    good = write_pairs(tmp_path / "pairs.csv", PAIRS)
    output = tmp_path / "out"

    def wrong(*wanted: str, pairs: Path = good, **flags: object) -> None:
        usual = {"index": here.index, "student": student, "pooling": "mean"}
        usual |= {"pairs": pairs, "output-path": output}
        given = {**usual, **{name.replace("_", "-"): value for name, value in flags.items()}}
        args = [
            str(part)
            for name, value in given.items()
            if value is not None
            for part in (f"--{name}", value)
        ]
        refused(ran(capsys, *args), *wanted)
        assert not output.exists()

    wrong("--pooling mean", pooling=None)
    wrong("--tune-student", tune_student=0)
    wrong("--tune-student is 9", tune_student=9, head="tuned")
    wrong("--seed", seed=-1)
    wrong("nowhere", student="nowhere/at-all")
    wrong("nowhere", index=tmp_path / "nowhere")
    wrong("none can be held out", pairs=write_pairs(tmp_path / "one.csv", PAIRS[:1]))
    wrong("would overwrite", output_path=good)
    wrong("is a folder; name the file of pairs", pairs=tmp_path)
    wrong("is a file; name a folder", output_path=write_pairs(tmp_path / "file", PAIRS))
    in_english = write_questions(
        tmp_path / "en.json",
        *({"question": text, "video_path": "x.mp4", "support_frames": [1]} for text, _ in PAIRS),
    )
    wrong("is in en, which the teacher reads; give questions in vi", questions=in_english)
    wrong("--questions", suggest=5)
    assert ran(capsys, "--student", student).code == 2
    output.mkdir()
    (output / "something").write_text("")
    refused(distilled(capsys, student, good, output), "not empty")
    assert (output / "something").exists()


def test_texts_are_suggested(student: Path, tmp_path: Path, capsys: Capture) -> None:
    records = [{"question": text, "video_path": "few.mp4"} for text, _ in PAIRS]
    questions, output = write_questions(tmp_path / "q.json", *records), tmp_path / "pairs.csv"
    flags = ("--student", student, "--pooling", "mean", "--suggest", 4)
    result = ran(capsys, *flags, "--questions", questions, "--output-path", output)
    assert result.code == 0, result.err
    assert (result.records[0]["texts"], result.records[0]["of"]) == (4, 25)
    assert sum(text in output.read_text() for text, _ in PAIRS) == 4


def test_an_interrupt_leaves_nothing(
    student: Path, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("train.distilling.run.write_card", interrupt)
    output = tmp_path / "models" / "out"
    pairs = write_pairs(tmp_path / "pairs.csv", PAIRS)
    assert distilled(capsys, student, pairs, output).code == 130
    assert list(output.parent.iterdir()) == []


def test_a_model_that_cannot_be_saved_is_one_line(
    student: Path, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise SafetensorError("Error while serializing: No space left on device\nat some place")

    monkeypatch.setattr("index.models.distilled_model.DistilledModel.save", full)
    output = tmp_path / "models" / "out"
    result = distilled(capsys, student, write_pairs(tmp_path / "pairs.csv", PAIRS), output)
    assert (result.code, result.out) == (2, "")
    last = result.err.splitlines()[-1]
    assert last.startswith(f"error: {output} cannot be written (Error while serializing: No space")
    assert "at some place" not in result.err
    assert list(output.parent.iterdir()) == []


def test_the_teacher_of_a_distilled_model_teaches(
    student: Path, tmp_path: Path, capsys: Capture
) -> None:
    pairs = write_pairs(tmp_path / "pairs.csv", PAIRS)
    first, second = tmp_path / "first", tmp_path / "second"
    assert distilled(capsys, student, pairs, first).code == 0
    result = distilled(capsys, student, pairs, second, "--model", first)
    assert result.code == 0, result.err
    cpu = torch.device("cpu")
    texts = [text for _, text in PAIRS]
    vectors = [
        load_encoder(str(folder), device=cpu)[0].texts(texts)[0] for folder in (first, second)
    ]
    assert np.allclose(vectors[0], vectors[1], atol=1e-6)
