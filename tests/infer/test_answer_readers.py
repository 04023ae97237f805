"""answer.py with readers, as a user runs it, against plain recomputations."""

import csv
import json
import math
import os
import random
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from index.decoding.decoders import frames_at
from index.storage.catalog import forget_paths, open_catalog
from infer.choices import lettered
from infer.question_files.loading import load_questions
from infer.questions import Question
from infer.readers.still_processor import encode
from infer.readers.vision_language import (
    Reader,
    ReaderInput,
    generate,
    letter_probabilities,
    load_reader,
)
from tests.fixtures_infer import (
    INDEXED,
    TEXTS,
    Ran,
    best_of_segments,
    build_index,
    ends_of,
    hf_model,
    ran,
    refused,
    stored,
    text_vectors,
    world,
    write_questions,
)
from tests.fixtures_readers import make_reader
from tests.infer.readers.test_vision_language import CPU, EN, plainly
from tests.paths import ROOT

Capture = pytest.CaptureFixture[str]
KINDS = ("picked", "uniform", "support", "all")
CHOICES = (
    ["A. Red", "B. Blue"],
    ["Đỏ", "Xanh", "Trắng"],
    ["one", "two", "three", "four", "a very long choice of many words"],
)
SIDE = 48


def record(number: int) -> dict[str, Any]:
    """A question that differs from all others; the videos in turn."""
    name = INDEXED[number % len(INDEXED)]
    labels: dict[str, Any] = {"support_frames": [0.1, 0.3 + number % 3]}
    if number % 2:
        labels = {"support_ranges": [[0.2, 0.9]]}
    return {
        "question": f"{TEXTS[number % len(TEXTS)]} {number}",
        "choices": CHOICES[number % len(CHOICES)],
        "video_path": name,
        **labels,
    }


@pytest.fixture
def questions(tmp_path: Path) -> Path:
    return write_questions(tmp_path / "q.json", *[record(number) for number in range(14)])


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    home = tmp_path_factory.mktemp("readers")
    return {kind: make_reader(home / kind, kind) for kind in ("qwen2_5_vl", "smolvlm")}


@pytest.fixture
def answered(capsys: Capture, tmp_path: Path) -> Callable[..., list[dict[str, Any]]]:
    """The records of a run that went well and left nothing but its output."""

    def run(questions: Path, *flags: object) -> list[dict[str, Any]]:
        home = tmp_path / "out"
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir()
        result = answer(capsys, questions, home / "a.jsonl", *flags)
        assert result.code == 0, result.err
        assert [path.name for path in home.iterdir()] == ["a.jsonl"]
        return lines_of(home / "a.jsonl")

    return run


def answer(capsys: Capture, questions: Path, output: Path, *flags: object) -> Ran:
    flags = (*flags, "--reader-side", SIDE)
    return ran(capsys, "answer.py", questions, "--index", world().index, "--output", output, *flags)


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def alike(found: Any, wanted: Any) -> bool:
    """The same but for the last digits of numbers, which hang on what was computed together."""
    if isinstance(wanted, float):
        return bool(found == pytest.approx(wanted, abs=2e-6))
    if isinstance(wanted, dict):
        return list(found) == list(wanted) and all(alike(found[k], wanted[k]) for k in wanted)
    if isinstance(wanted, list):
        return len(found) == len(wanted) and all(map(alike, found, wanted))
    return bool(found == wanted)


def is_likeliest(given: dict[str, Any], question: Question) -> bool:
    shares: dict[str, float] = given["probabilities"]
    number = [letter for letter, _ in lettered(question)].index(given["letter"])
    return max(shares.values()) == shares[given["letter"]] and (
        given["text"] == question.choices[number]
    )


def plain_rows(
    kind: str, picked: list[int], at: Question, path: Path, time_s: Any, duration_s: float
) -> list[int]:
    """Which rows of the index a kind of frames means, read off the README."""
    if kind == "all":
        return [*range(len(time_s))]
    if kind == "picked":
        return picked
    wanted_s = at.support_frames or [(start + end) / 2 for start, end in at.support_ranges]
    if kind == "uniform":
        wanted_s = [(s + 0.5) * duration_s / 4 for s in range(min(4, len(time_s)))]
    end_s = ends_of(world().index, path)
    rows: list[int] = []
    for t in wanted_s:
        free = [row for row in range(len(time_s)) if kind == "support" or row not in rows]
        away_s = np.maximum(time_s[free] - t, t - end_s[free])
        rows.append(free[int(away_s.argmin())])
    return rows


@pytest.mark.parametrize("kinds", [("picked",), ("all", "support"), KINDS])
def test_clip_equals_a_plain_recomputation(
    questions: Path,
    answered: Callable[..., list[dict[str, Any]]],
    monkeypatch: pytest.MonkeyPatch,
    kinds: tuple[str, ...],
) -> None:
    here = world()
    monkeypatch.setattr("index.decoding.decoders.read", lambda *_, **__: pytest.fail("decoded"))
    records = answered(questions, "--reader", "clip", "--reader-frames", *kinds)
    queries = load_questions(questions)
    assert [one["id"] for one in records] == [one.id for one in queries]
    scale = hf_model(here.model)[0].logit_scale.exp().item()
    letters = Counter[str]()
    for one, own in zip(queries, records, strict=True):
        vectors, time_s, duration_s = stored(here.index, Path(own["video"]))
        (text,) = text_vectors(here.model, [one.question])
        picked = best_of_segments(vectors @ text, time_s, duration_s, 4)
        assert [frame["row"] for frame in own["frames"]] == picked
        texts = [f"{one.question} {choice}" for _, choice in lettered(one)]
        cosines = text_vectors(here.model, texts) @ vectors.T
        several = len(kinds) > 1
        keys = ["id", "video", "pick", "frames", "reader", "answer", "answers"]
        assert list(own) == keys[: 6 + several]
        assert own["reader"] == "clip"
        answers = own["answers"] if several else {kinds[0]: own["answer"]}
        assert own["answer"] == answers[kinds[0]]
        assert list(answers) == list(kinds)
        for kind, given in answers.items():
            rows = plain_rows(kind, picked, one, Path(own["video"]), time_s, duration_s)
            best = [max(cosine[row] for row in rows) for cosine in cosines]
            powers = [math.exp(scale * (value - max(best))) for value in best]
            shares = [given["probabilities"][letter] for letter, _ in lettered(one)]
            assert shares == pytest.approx([power / sum(powers) for power in powers], abs=4e-6)
            assert is_likeliest(given, one)
            letters[given["letter"]] += 1
    assert len(letters) > 2


def test_timing_and_submission(
    capsys: Capture, tmp_path: Path, answered: Callable[..., list[dict[str, Any]]]
) -> None:
    queries = [record(number) for number in range(4)]
    queries[1]["choices"], queries[2]["video_path"] = [], "no.mp4"
    questions = write_questions(tmp_path / "q.json", *queries)
    output, rows = tmp_path / "out/a.jsonl", tmp_path / "out/deep/s.csv"
    flags = ("--reader", "clip", "--timing", "--submission", rows)
    result = answer(capsys, questions, output, *flags)
    assert result.code == 1
    records = lines_of(output)
    assert ["error" in one for one in records] == [False, True, True, False]
    assert all(list(one) == ["id", "video_path", "error"] for one in records[1:3])
    assert "--free" in records[1]["error"]
    assert "vision-language" in records[1]["error"]
    spent_s = [one["seconds"] for one in (records[0], records[3])]
    assert 0 < sum(spent_s) < json.loads(result.out)["wall_s"]
    with rows.open(encoding="utf-8", newline="") as file:
        assert [*csv.reader(file)] == [
            ["id", "answer"],
            ["q0", records[0]["answer"]["letter"]],
            ["q1", ""],
            ["q2", ""],
            ["q3", records[3]["answer"]["letter"]],
        ]


def pictures(question: Question, times_s: list[float]) -> list[Image.Image]:
    found = [frame.image for frame in frames_at(world().videos / question.video_path, times_s)]
    for image in found:
        image.thumbnail((SIDE, SIDE), Image.Resampling.BICUBIC)
    return found


def shown_times(kind: str, own: dict[str, Any], one: Question) -> list[float]:
    if kind == "picked":
        return [frame["time_s"] for frame in own["frames"]]
    if kind == "support":
        return one.support_frames or [(start + end) / 2 for start, end in one.support_ranges]
    _, time_s, duration_s = stored(world().index, Path(own["video"]))
    return sorted(
        time_s[plain_rows("uniform", [], one, Path(own["video"]), time_s, duration_s)].tolist()
    )


@pytest.mark.parametrize("kind", ["qwen2_5_vl", "smolvlm"])
def test_a_model_equals_one_plain_pass_for_each_question(
    questions: Path,
    folders: dict[str, Path],
    answered: Callable[..., list[dict[str, Any]]],
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
) -> None:
    decoded: list[str] = []

    def counted(path: Path, times_s: list[float]) -> Any:
        decoded.append(path.name)
        assert times_s == sorted(set(times_s))
        return frames_at(path, times_s)

    monkeypatch.setattr("infer.readers.bulk_reading.frames_at", counted)
    queries = load_questions(questions)
    reader = load_reader(str(folders[kind]), device_map=CPU)
    frames = ("support", "picked", "uniform")
    first: list[dict[str, Any]] = []
    for batch in (1, 3, 8):
        decoded.clear()
        flags = ("--reader", folders[kind], "--reader-batch", batch, "--reader-frames", *frames)
        records = answered(questions, *flags)
        assert sorted(decoded) == sorted(Path(name).name for name in INDEXED)
        assert [one["id"] for one in records] == [one.id for one in queries]
        first = first or records
        for one, own, own_first in zip(queries, records, first, strict=True):
            assert own["reader"] == str(folders[kind])
            assert own["frames"] == own_first["frames"]
            assert list(own["answers"]) == list(frames)
            assert own["answer"] == own["answers"]["support"]
            for which, given in own["answers"].items():
                near = own_first["answers"][which]["probabilities"]
                assert given["probabilities"] == pytest.approx(near, abs=2e-5)
                assert is_likeliest(given, one)
    for one, own in zip(queries, first, strict=True):
        for which, given in own["answers"].items():
            times_s = shown_times(which, own, one)
            shown = ReaderInput(pictures(one, times_s), times_s, one.question, lettered(one))
            expected = plainly(folders[kind], kind, reader, shown)
            np.testing.assert_allclose([*given["probabilities"].values()], expected, atol=2e-5)
    assert len({own["answer"]["letter"] for own in first}) > 1


def chats_of(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The chats that a model is given, from now on."""
    chats: list[str] = []

    def noted(processor: Any, given: Sequence[str], frames: Any) -> Any:
        chats.extend(given)
        return encode(processor, given, frames)

    monkeypatch.setattr("infer.readers.vision_language.encode", noted)
    return chats


def test_free_text(
    tmp_path: Path, folders: dict[str, Path], answered: Callable[..., list[dict[str, Any]]]
) -> None:
    queries = [record(0), record(1) | {"choices": []}, record(3) | {"choices": ["one"]}]
    questions = write_questions(tmp_path / "q.json", *queries)
    folder, rows = folders["qwen2_5_vl"], tmp_path / "s.csv"
    flags = ("--reader", folder, "--free", "--max-new-tokens", 5, "--submission", rows)
    records = answered(questions, *flags)
    reader = load_reader(str(folder), device_map=CPU)
    texts = []
    for one, own in zip(load_questions(questions), records, strict=True):
        times_s = shown_times("picked", own, one)
        texts += generate(
            reader, EN, [ReaderInput(pictures(one, times_s), times_s, one.question)], 5
        )
        assert own["answer"] == {"text": texts[-1]}
    assert len(set(texts)) > 1
    with rows.open(encoding="utf-8", newline="") as file:
        assert [row[1] for row in csv.reader(file)] == ["answer", *texts]


def test_the_words_are_the_prompts(
    tmp_path: Path,
    folders: dict[str, Path],
    answered: Callable[..., list[dict[str, Any]]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    chats = chats_of(monkeypatch)
    questions = write_questions(tmp_path / "q.json", record(1))
    (tmp_path / "mine.toml").write_text(
        'frame = "<{number}|{time:.2f}>"\nchoice = "({letter}) {text}"\n'
        'choices = "{choices}\\n¿{question}?"\nfree = "{question}"\n'
    )
    answers = {}
    for prompt, words in (
        ("en", ["Frame 1 at ", "Question: Xe màu gì? 1\n", "A. Đỏ\n", "letter of the right"]),
        ("vi", ["Khung hình 1, giây ", "Câu hỏi: Xe màu gì? 1\n", "C. Trắng\n", "chữ cái"]),
        (tmp_path / "mine.toml", ["<1|0.", "(B) Xanh\n", "¿Xe màu gì? 1?"]),
    ):
        chats.clear()
        (own,) = answered(questions, "--reader", folders["qwen2_5_vl"], "--prompt", prompt)
        (chat,) = chats
        for text in words:
            assert text in chat
        answers[str(prompt)] = tuple(own["answer"]["probabilities"].values())
    assert len(set(answers.values())) == 3


def launched(
    *args: object, processes: int = 1, script: Sequence[object] = ("infer/answer.py",)
) -> "subprocess.Popen[str]":
    """answer.py started by a user, with the launcher where there are several processes."""
    command = [sys.executable]
    if processes > 1:
        command += ["-m", "torch.distributed.run", f"--nproc_per_node={processes}"]
        command += ["--rdzv_backend=c10d", "--rdzv_endpoint=localhost:0"]
    flags = ["--index", world().index, "--reader-side", SIDE]
    command += map(str, [*script, *args, *flags])
    env = {
        "PYTHONPATH": str(ROOT),
        "HF_HUB_OFFLINE": "1",
        "OMP_NUM_THREADS": "1",
        "ACCELERATE_USE_CPU": "true",
    }
    return subprocess.Popen(
        command,
        cwd=ROOT,
        env=os.environ | env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("reader", ["clip", "smolvlm"])
def test_two_processes_give_the_same_file_as_one(
    tmp_path: Path,
    folders: dict[str, Path],
    answered: Callable[..., list[dict[str, Any]]],
    reader: str,
) -> None:
    queries = [record(number) for number in range(20)]
    queries[7]["video_path"], queries[11]["choices"] = "no.mp4", []
    questions = write_questions(tmp_path / "q.json", *queries)
    flags = ("--reader", folders.get(reader, reader), "--reader-frames", "picked", "uniform")
    output = tmp_path / "two/a.jsonl"
    process = launched(questions, "--output", output, *flags, processes=2)
    out, err = process.communicate(timeout=200)
    assert process.returncode == 1, err  # two questions have errors; torchrun says so too
    result = json.loads(out.splitlines()[0])
    assert (result["questions"], result["failed"], result["resumed"]) == (20, 2, 0)
    assert err.count("failed: q7: ") == err.count("failed: q11: ") == 1
    assert [path.name for path in output.parent.iterdir()] == ["a.jsonl"]
    good = [one for n, one in enumerate(queries) if n not in (7, 11)]
    for n, one in enumerate(queries):
        one["id"] = f"q{n}"
    alone = {own["id"]: own for own in answered(write_questions(questions, *good), *flags)}
    records = lines_of(output)
    assert [own["id"] for own in records] == [f"q{n}" for n in range(20)]
    for own in records:
        assert alike(own, alone[own["id"]]) if own["id"] in alone else "error" in own


def kept_lines(output: Path) -> bytes:
    """What an interrupted run has kept."""
    journals = sorted(output.with_name(f"{output.name}.partial").glob("*.jsonl"))
    return b"".join(journal.read_bytes() for journal in journals)


@pytest.mark.parametrize(
    ("kills", "count", "processes"),
    [
        (2, 60, 1),
        pytest.param(8, 150, 1, marks=pytest.mark.slow),
        pytest.param(4, 150, 2, marks=pytest.mark.slow),
    ],
)
def test_a_killed_run_goes_on_where_it_was(
    capsys: Capture,
    tmp_path: Path,
    folders: dict[str, Path],
    answered: Callable[..., list[dict[str, Any]]],
    monkeypatch: pytest.MonkeyPatch,
    kills: int,
    count: int,
    processes: int,
) -> None:
    queries = [record(number) for number in range(count)]
    questions = write_questions(tmp_path / "q.json", *queries)
    flags = ("--reader", folders["qwen2_5_vl"], "--reader-batch", 1)
    expected = answered(questions, *flags)
    output = tmp_path / "killed/a.jsonl"
    output.parent.mkdir()
    output.write_text("of an earlier run\n")
    chance = random.Random(kills)
    done = 0
    for _ in range(kills):
        lines = chance.randint(1, count // (kills + 1) // processes)
        # The log is opened and gets its lines; then it dies while it writes the next one.
        killed = ("tests/faults/dying.py", lines + 2, ".jsonl", ROOT / "infer/answer.py")
        process = launched(
            questions, "--output", output, *flags, processes=processes, script=killed
        )
        _, err = process.communicate(timeout=200)
        assert process.returncode == (-signal.SIGKILL if processes == 1 else 1), err
        assert done < kept_lines(output).count(b"\n") <= done + lines * processes
        done = kept_lines(output).count(b"\n")
        for journal in output.with_name("a.jsonl.partial").glob("*.jsonl"):
            with journal.open("ab") as file:
                file.write(b'{"id": "q1", "vid')
        assert output.read_text() == "of an earlier run\n"

    before = kept_lines(output)
    for name, value in (("--pick", "uniform"), ("--prompt", "vi")):
        other = answer(capsys, questions, output, *flags, name, value)
        refused(other, f" has {name} ", "a.jsonl.partial")
    changed = write_questions(tmp_path / "other.json", *queries[1:])
    refused(answer(capsys, changed, output, *flags), " has other QUESTIONS; ")
    assert kept_lines(output) == before

    calls: list[int] = []

    def counted(reader: Reader, prompt: Any, batch: Sequence[ReaderInput]) -> Any:
        calls.append(len(batch))
        return letter_probabilities(reader, prompt, batch)

    monkeypatch.setattr("infer.answering.run.letter_probabilities", counted)
    result = answer(capsys, questions, output, *flags)
    assert result.code == 0, result.err
    told = json.loads(result.out)
    assert told["resumed"] == before.count(b"\n") == done
    assert (told["questions"], told["answered"]) == (count, count)
    assert sum(calls) == count - told["resumed"]
    assert alike(lines_of(output), expected)
    assert [path.name for path in output.parent.iterdir()] == ["a.jsonl"]


def test_a_run_that_was_killed_at_its_very_end_only_clears_away(
    capsys: Capture, questions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "end/a.jsonl"
    with monkeypatch.context() as patch:
        patch.setattr("infer.answering.run_log.remove_log", lambda output: None)
        assert answer(capsys, questions, output, "--reader", "clip").code == 0
    before = output.read_bytes()
    assert (tmp_path / "end/a.jsonl.partial").is_dir()
    monkeypatch.setattr(
        "infer.answering.run.load_query_encoder", lambda *_, **__: pytest.fail("loaded")
    )
    result = answer(capsys, questions, output, "--reader", "clip")
    told = json.loads(result.out)
    assert told["resumed"] == told["answered"] == 14
    assert output.read_bytes() == before
    assert [path.name for path in output.parent.iterdir()] == ["a.jsonl"]


def test_an_answer_of_before_counts_though_its_video_left_the_index(
    capsys: Capture, questions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index, output = shutil.copytree(world().index, tmp_path / "index"), tmp_path / "a.jsonl"
    flags = ("--index", index, "--output", output, "--reader", "clip")
    with monkeypatch.context() as patch:
        patch.setattr("infer.answering.run_log.remove_log", lambda output: None)
        assert ran(capsys, "answer.py", questions, *flags).code == 0
    with closing(open_catalog(index)) as catalog:
        forget_paths(catalog, [str(world().videos / "few.mp4")])
    before = output.read_bytes()
    result = ran(capsys, "answer.py", questions, *flags)
    assert (result.code, result.err) == (0, "")
    told = json.loads(result.out)
    assert (told["answered"], told["failed"], told["resumed"]) == (14, 0, 14)
    assert output.read_bytes() == before


@pytest.mark.parametrize("reader", ["clip", "smolvlm"])
def test_questions_that_cannot_be_read_have_errors_and_no_letter(
    capsys: Capture, tmp_path: Path, folders: dict[str, Path], reader: str
) -> None:
    unlabelled: dict[str, Any] = {"support_frames": [], "support_ranges": []}
    queries: list[tuple[dict[str, Any], str]] = [
        ({"choices": []}, "--free"),
        ({"choices": ["A. Red"]}, "has 1 choices"),
        ({"choices": [str(n) for n in range(27)]}, "has 27 choices"),
        ({"choices": [f"choice {n}" for n in range(27)]}, "has 27 choices"),
        ({"choices": [str(n) for n in range(26)]}, ""),
        (unlabelled, "--reader-frames support"),
    ]
    questions = write_questions(tmp_path / "q.json", *[record(3) | change for change, _ in queries])
    output = tmp_path / "a.jsonl"
    name = folders.get(reader, reader)
    flags = ("--reader", name, "--reader-frames", "picked", "support")
    result = answer(capsys, questions, output, *flags)
    assert result.code == 1
    told = json.loads(result.out)
    assert (told["answered"], told["failed"]) == (1, 5)
    for (_, reason), own in zip(queries, lines_of(output), strict=True):
        if reason:
            assert list(own) == ["id", "video_path", "error"]
            assert reason in own["error"]
            assert f"failed: {own['id']}: {own['error']}\n" in result.err
        else:
            assert len(own["answer"]["probabilities"]) == 26


@pytest.mark.parametrize("reader", ["clip", "smolvlm"])
def test_where_no_question_has_choices_all_have_errors(
    capsys: Capture, tmp_path: Path, folders: dict[str, Path], reader: str
) -> None:
    queries = [record(number) | {"choices": []} for number in range(3)]
    questions = write_questions(tmp_path / "q.json", *queries)
    output = tmp_path / "a.jsonl"
    result = answer(capsys, questions, output, "--reader", folders.get(reader, reader))
    assert result.code == 1
    assert all("has no choices" in own["error"] for own in lines_of(output))
    assert not output.with_name("a.jsonl.partial").exists()


def test_a_video_that_is_gone_costs_its_own_questions(
    capsys: Capture, tmp_path: Path, folders: dict[str, Path]
) -> None:
    here = world()
    old, index, output = tmp_path / "old", tmp_path / "index", tmp_path / "a.jsonl"
    old.mkdir()
    for name in ("few.mp4", "one.mp4"):
        shutil.copy(here.videos / name, old / name)
    assert build_index(old, index, here.model) == 0
    (tmp_path / "new").mkdir()
    (old / "few.mp4").rename(tmp_path / "new/few.mp4")
    names = ("few.mp4", "one.mp4", "few.mp4")
    queries = [record(n) | {"video_path": name} for n, name in enumerate(names)]
    questions = write_questions(tmp_path / "q.json", *queries)
    flags = ("--index", index, "--output", output, "--reader", folders["smolvlm"])
    result = ran(capsys, "answer.py", questions, *flags)
    assert result.code == 1
    gone = lines_of(output)
    assert ["error" in own for own in gone] == [True, False, True]
    assert "few.mp4 is gone; say with --videos" in gone[0]["error"]
    result = ran(capsys, "answer.py", questions, *flags, "--videos", tmp_path / "new")
    assert result.code == 0, result.err
    found = lines_of(output)
    assert alike(found[1], gone[1])
    assert all("letter" in own["answer"] for own in found)
    (tmp_path / "new/few.mp4").write_bytes((old / "one.mp4").read_bytes())
    result = ran(capsys, "answer.py", questions, *flags, "--videos", tmp_path / "new")
    assert "few.mp4 has changed since it was indexed" in lines_of(output)[0]["error"]


@pytest.mark.parametrize(
    ("flags", "wanted"),
    [
        (["--reader", "clip", "--free"], ["--free with --reader clip", "vision-language"]),
        (["--submission", "{tmp}/s.csv"], ["--submission needs answers", "--reader"]),
        (["--reader-frames", "uniform"], ["--reader-frames needs answers"]),
        (["--reader", "{model}", "--reader-frames", "all"], ["all is for --reader clip"]),
        (
            ["--reader", "clip", "--reader-frames", "all", "picked", "all"],
            ["--reader-frames is all picked all"],
        ),
        (["--reader", "clip", "--submission", "{tmp}/a.jsonl"], ["would overwrite what --output"]),
        (["--reader", "clip", "--submission", "{tmp}/q.json"], ["would overwrite the questions"]),
        (["--output", "{tmp}/q.json"], ["--output", "would overwrite the questions"]),
        (["--guess", "A"], ["--guess is for --submission"]),
        (["--reader", "clip", "--output", "{tmp}/q.json/a.jsonl"], ["cannot be written"]),
        (["--reader", "clip", "--submission", "{tmp}/q.json/s.csv"], ["cannot be written"]),
        (
            ["--reader", "{tmp}/none"],
            ["the model {tmp}/none is no folder here and cannot be had", "--reader"],
        ),
        (["--reader", "{tmp}/mute"], ["{tmp}/mute has no chat template", "--reader"]),
        (["--reader", "{clip}"], ["{clip} is a clip model", "--reader"]),
        (["--reader", "{model}", "--prompt", "fr"], ["--prompt fr cannot be read", "en, vi"]),
        (["--reader", "{model}", "--reader-batch", "0"], ["--reader-batch is 0"]),
    ],
)
def test_wrong_calls_leave_nothing(
    capsys: Capture,
    tmp_path: Path,
    folders: dict[str, Path],
    flags: list[str],
    wanted: list[str],
) -> None:
    shutil.copytree(folders["smolvlm"], tmp_path / "mute")
    (tmp_path / "mute/chat_template.jinja").unlink()
    questions = write_questions(tmp_path / "q.json", record(0))
    (tmp_path / "a.jsonl").write_text("of an earlier run\n")

    def filled(text: str) -> str:
        text = text.replace("{tmp}", str(tmp_path)).replace("{model}", str(folders["smolvlm"]))
        return text.replace("{clip}", str(world().model))

    given = ["--index", world().index, *map(filled, flags)]
    if "--output" not in given:
        given += ["--output", tmp_path / "a.jsonl"]
    refused(ran(capsys, "answer.py", questions, *given), *map(filled, wanted))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.jsonl", "mute", "q.json"]
    assert (tmp_path / "a.jsonl").read_text() == "of an earlier run\n"
    # And so a right call goes through at once.
    assert answer(capsys, questions, tmp_path / "a.jsonl", "--reader", "clip").code == 0


def test_device_map_auto_is_for_one_process(
    capsys: Capture, questions: Path, folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    flags = ("--index", world().index, "--reader", folders["smolvlm"], "--device-map", "auto")
    one = ran(capsys, "answer.py", questions, *flags, "--output", "-")
    assert one.code == 0, one.err
    assert all("letter" in own["answer"] for own in one.records)
    monkeypatch.setenv("WORLD_SIZE", "2")
    refused(ran(capsys, "answer.py", questions, *flags), "--device-map auto", "2 processes")


@pytest.mark.parametrize("flags", [[], ["--free"]])
def test_numbers_that_are_not_finite_end_the_run_and_guess_nothing(
    capsys: Capture, questions: Path, tmp_path: Path, folders: dict[str, Path], flags: list[str]
) -> None:
    folder = shutil.copytree(folders["smolvlm"], tmp_path / "broken")
    reader = load_reader(str(folder), device_map=CPU)
    torch.nn.init.constant_(reader.model.get_output_embeddings().weight, torch.nan)
    reader.model.save_pretrained(folder)
    output = tmp_path / "a.jsonl"
    refused(answer(capsys, questions, output, "--reader", folder, *flags), "no finite numbers")
    assert not output.exists()
    assert not output.with_name("a.jsonl.partial").exists()


@pytest.mark.parametrize("flags", [[], ["--free"]])
def test_a_question_that_is_too_long_for_the_model_costs_itself(
    capsys: Capture, tmp_path: Path, folders: dict[str, Path], flags: list[str]
) -> None:
    queries = [record(number) for number in range(5)]
    queries[1] |= {"question": "word " * 3900}
    queries[3] |= {"question": "why " * 4900, "choices": ["no " * 6000] * 9}
    questions = write_questions(tmp_path / "q.json", *queries)
    output, folder = tmp_path / "a.jsonl", shutil.copytree(folders["smolvlm"], tmp_path / "copy")
    result = answer(capsys, questions, output, "--reader", folder, *flags)
    assert result.code == 1
    wrong = {own["id"]: own["error"] for own in lines_of(output) if "error" in own}
    assert list(wrong) == ["q1", "q3"]
    assert "has room for 8,192; shorten the question, or lower --frames or --" in wrong["q1"]
    if not flags:
        assert "characters, and a reader takes 40,000 at most; shorten it" in wrong["q3"]
    config = json.loads((folder / "config.json").read_text())
    config["text_config"]["max_position_embeddings"] = 64
    (folder / "config.json").write_text(json.dumps(config))
    assert answer(capsys, questions, output, "--reader", folder, *flags).code == 1
    assert all("has room for 64;" in own["error"] for own in lines_of(output)[::2])
