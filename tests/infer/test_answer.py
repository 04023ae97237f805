"""answer.py against a plain recomputation from the stored vectors, and all that can go wrong."""

import json
import os
import shutil
import unicodedata
from collections import Counter
from pathlib import Path
from typing import Any, get_args, get_type_hints

import numpy as np
import pytest
from PIL import Image
from transformers import BertConfig, BertModel

from index.decoding.decoders import frames_at
from index.storage.store import read_vectors, vectors_path
from infer.answering.config import AnswerConfig
from infer.question_files.loading import load_questions
from infer.question_texts import caption
from infer.selection.frame_scores import score_video
from infer.selection.registry import BASELINES, STRATEGIES
from infer.selection.strategies import ScoredVideo
from tests.fixtures_infer import (
    INDEXED,
    TEXTS,
    Ran,
    as_a_user,
    best_of_segments,
    build_index,
    ends_of,
    number_at,
    ran,
    refused,
    seen_as,
    stored,
    text_vectors,
    world,
    write_questions,
)
from tests.videos import read_number

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def questions(tmp_path: Path) -> Path:
    """Every text about every video, the videos in turn."""
    records = [
        {"id": f"{name} {t}", "question": text, "choices": ["A. Đỏ", name], "video_path": name}
        for t, text in enumerate(TEXTS)
        for name in INDEXED
    ]
    return write_questions(tmp_path / "questions.json", *records)


def answers(capsys: Capture, questions: Path | str, *flags: object) -> list[dict[str, Any]]:
    """The records of a run that went well."""
    result = ran(capsys, "answer.py", questions, "--index", world().index, "--output", "-", *flags)
    assert result.code == 0, result.err
    return result.records


def summary(text: str) -> dict[str, Any]:
    """The last line of a stream."""
    result: dict[str, Any] = json.loads(text.splitlines()[-1])
    return result


@pytest.mark.parametrize("k", [1, 3, 4, 9])
@pytest.mark.parametrize("setting", [1, 3])
def test_quarters_equal_a_plain_recomputation(
    capsys: Capture, questions: Path, k: int, setting: int
) -> None:
    here = world()
    queries = load_questions(questions)
    texts = text_vectors(here.model, [caption(question, setting) for question in queries])
    records = answers(capsys, questions, "--frames", k, "--caption_setting", setting)
    assert [record["id"] for record in records] == [question.id for question in queries]
    for question, text, record in zip(queries, texts, records, strict=True):
        path = here.videos / question.video_path
        vectors, time_s, duration_s = stored(here.index, path)
        scores = vectors @ text
        rows = best_of_segments(scores, time_s, duration_s, k)
        assert list(record) == ["id", "video", "pick", "frames"]
        assert (record["video"], record["pick"]) == (str(path), "quarters")
        assert [frame["row"] for frame in record["frames"]] == rows
        assert [frame["time_s"] for frame in record["frames"]] == time_s[rows].tolist()
        for row, frame in zip(rows, record["frames"], strict=True):
            assert list(frame) == ["segment", "row", "time_s", "score"]
            assert frame["score"] == pytest.approx(scores[row], abs=2e-6)
            assert frame["segment"] == min(k - 1, int(k * time_s[row] / duration_s))


def test_uniform_takes_the_middles(capsys: Capture, questions: Path) -> None:
    here = world()
    for record in answers(capsys, questions, "--pick", "uniform"):
        _, time_s, duration_s = stored(here.index, Path(record["video"]))
        assert record["pick"] == "uniform"
        free = list(range(len(time_s)))
        end_s = ends_of(here.index, Path(record["video"]))
        for s in range(min(4, len(time_s))):
            middle_s = (s + 0.5) * duration_s / 4
            away_s = np.maximum(time_s - middle_s, middle_s - end_s)
            free.remove(free[int(away_s[free].argmin())])
        assert [f["row"] for f in record["frames"]] == sorted({*range(len(time_s))} - {*free})


def test_random_hangs_on_seed_and_question_alone(
    capsys: Capture, questions: Path, tmp_path: Path
) -> None:
    first = answers(capsys, questions, "--pick", "random")
    assert first == answers(capsys, questions, "--pick", "random", "--seed", 42)
    other = answers(capsys, questions, "--pick", "random", "--seed", 43)
    assert first != other
    for record in first:
        segments = [frame["segment"] for frame in record["frames"]]
        if "one.mp4" not in record["video"]:
            assert segments == [0, 1, 2, 3]
    data = json.loads(questions.read_text())["data"]
    alone = write_questions(tmp_path / "alone.json", data[7])
    assert answers(capsys, alone, "--pick", "random") == [first[7]]


def test_the_flag_knows_every_strategy() -> None:
    names, none = get_args(get_type_hints(AnswerConfig)["pick"])
    assert (set(get_args(names)), none) == ({*STRATEGIES, "auto"}, type(None))


def test_what_fails_is_told_and_the_rest_is_answered(capsys: Capture, tmp_path: Path) -> None:
    here = world()
    choices = ["A", "B"]
    questions = write_questions(
        tmp_path / "q.json",
        {"video_path": "few.mp4", "choices": choices},
        {"video_path": "train/absent.mp4", "choices": choices},
        {"video_path": "same.mp4", "choices": choices},
        {"video_path": "bad.mp4", "choices": choices},
        {"video_path": "b/constant.mp4"},
        {"video_path": "constant.mp4", "choices": choices},
    )
    result = ran(
        capsys, "answer.py", questions, "--index", here.index, "--caption", 2, "--output", "-"
    )
    assert result.code == 1
    assert ["error" in record for record in result.records] == [False, *[True] * 4, False]
    assert result.records[1] == {
        "id": "q1",
        "video_path": "train/absent.mp4",
        "error": "train/absent.mp4 is not in the index; add it with python index/build.py VIDEOS",
    }
    for record, reason in zip(
        result.records[2:5], ("x/same.mp4, ", "cannot be opened", "no choices"), strict=True
    ):
        assert reason in record["error"]
        assert f"failed: {record['id']}: {record['error']}\n" in result.err
    told = summary(result.err)
    assert {key: told[key] for key in ("questions", "answered", "failed", "too_long")} == {
        "questions": 6,
        "answered": 2,
        "failed": 4,
        "too_long": 0,
    }


def test_a_file_and_standard_input(
    capsys: Capture, questions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = world()
    output = tmp_path / "deep/answers.jsonl"
    result = ran(capsys, "answer.py", questions, "--index", here.index, "--output", output)
    assert result.code == 0
    told = summary(result.out)
    assert told["answered"] == told["questions"] == len(INDEXED) * len(TEXTS)
    records = [json.loads(line) for line in output.read_text().splitlines()]
    with questions.open() as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        assert answers(capsys, "-") == records
    assert [path.name for path in output.parent.iterdir()] == ["answers.jsonl"]


def test_each_video_is_read_once_and_none_is_decoded(
    capsys: Capture, questions: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: Counter[str] = Counter()

    def counted(index: Path, content_hash: str) -> Any:
        reads[content_hash] += 1
        return read_vectors(index, content_hash)

    monkeypatch.setattr("index.storage.store.read_vectors", counted)
    monkeypatch.setattr("index.decoding.decoders.read", lambda *_, **__: pytest.fail("decoded"))
    answers(capsys, questions)
    assert list(reads.values()) == [1] * len(INDEXED)


def test_a_damaged_vector_file_costs_its_own_questions(
    capsys: Capture, questions: Path, tmp_path: Path
) -> None:
    here = world()
    index = tmp_path / "index"
    shutil.copytree(here.index, index)
    file = vectors_path(index, seen_as(index, here.videos / "vp9.webm").content_hash)
    file.write_bytes(file.read_bytes()[:1000])
    result = ran(capsys, "answer.py", questions, "--index", index, "--output", "-")
    assert result.code == 1
    assert summary(result.err)["failed"] == len(TEXTS)
    for record in result.records:
        assert ("error" in record) == record["id"].startswith("vp9.webm")
        assert "is damaged" in record.get("error", "is damaged")


def test_many_failures_are_told_in_few_lines(capsys: Capture, tmp_path: Path) -> None:
    questions = write_questions(tmp_path / "q.json", *[{"video_path": "no.mp4"}] * 25)
    result = ran(capsys, "answer.py", questions, "--index", world().index, "--output", "-")
    assert result.code == 1
    assert len(result.records) == 25
    assert result.err.splitlines()[8] == "failed: 17 more, see --output"


def test_long_texts_are_counted(capsys: Capture, tmp_path: Path) -> None:
    questions = write_questions(
        tmp_path / "q.json",
        {"video_path": "few.mp4"},
        {"video_path": "few.mp4", "question": "car " * 80},
        {"video_path": "absent.mp4", "question": "car " * 90},
    )
    asked = ("answer.py", questions, "--index", world().index, "--output", "-")
    result = ran(capsys, *asked, "--long-text", "truncate")
    assert summary(result.err)["too_long"] == 1
    assert (
        "warning: the model reads 77 tokens and did not see the end of 1 longer texts, "
        "the first that of q1\n"
    ) in result.err
    result = ran(capsys, *asked)
    assert summary(result.err)["too_long"] == 1
    assert (
        "1 texts are longer than the 77 tokens that the model reads, the first that of q1; they "
        "are read in windows\n"
    ) in result.err


def test_saved_frames_show_what_was_picked(
    capsys: Capture, questions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = world()
    opened: list[str] = []

    def counted(path: Path, times_s: list[float]) -> Any:
        opened.append(path.name)
        assert times_s == sorted(set(times_s))
        return frames_at(path, times_s)

    monkeypatch.setattr("infer.videos.frame_files.frames_at", counted)
    folder = tmp_path / "jpg"
    records = answers(capsys, questions, "--save_frames", folder, "--size", "128x72")
    assert sorted(opened) == sorted(Path(name).name for name in INDEXED)
    for record in records:
        saved = sorted((folder / record["id"].replace("/", "%2F").replace(" ", "%20")).iterdir())
        name = str(Path(record["video"]).relative_to(here.videos))
        assert [path.name for path in saved] == [
            f"{k}_{frame['time_s']:.3f}s.jpg" for k, frame in enumerate(record["frames"], 1)
        ]
        for path, frame in zip(saved, record["frames"], strict=True):
            with Image.open(path) as image:
                assert image.size == (128, 72)
                assert read_number(image) == number_at(here.truth[name], frame["time_s"])


def test_ids_stay_inside_the_folder(capsys: Capture, tmp_path: Path) -> None:
    ids = ("../out", "/tmp/out", "..", "a/../../out")
    questions = write_questions(
        tmp_path / "q.json", *({"id": odd, "video_path": "few.mp4"} for odd in ids)
    )
    folder = tmp_path / "dir" / "jpg"
    answers(capsys, questions, "--save-frames", folder, "--size", "16x9")
    assert len(list(folder.glob("*/*.jpg"))) == 4 * len(ids)
    assert len(list(tmp_path.rglob("*.jpg"))) == 4 * len(ids)
    assert [path.name for path in folder.parent.iterdir()] == ["jpg"]


@pytest.mark.parametrize("byte", [r"\udce9", r"\ufffd"])
def test_a_video_whose_name_is_not_utf8(byte: str, tmp_path: Path) -> None:
    asked = json.loads(f'"caf{byte}.mp4"')
    here = world()
    video = tmp_path / "videos" / os.fsdecode(b"caf\xe9.mp4")
    video.parent.mkdir()
    shutil.copy(here.videos / "few.mp4", video)
    index, output = tmp_path / "index", tmp_path / "answers.jsonl"
    assert build_index(video.parent, index, here.model) == 0
    questions = tmp_path / "q.json"
    records = [{"id": name, "question": TEXTS[0], "video_path": name} for name in (asked, "x.mp4")]
    records[0] |= {"id": "0", "support_frames": [1.0]}
    questions.write_text(json.dumps(records))
    flags = ("--index", index, "--output", output, "--save-frames", tmp_path / "jpg")
    result = as_a_user("answer.py", questions, *flags)
    assert (result.code, summary(result.out)["saved_frames"]) == (1, 4), result.err
    answered, failed = map(json.loads, output.read_text().splitlines())
    assert answered["video"] == str(video)
    assert failed["error"].startswith("x.mp4 is not in the index")
    report = tmp_path / "report.html"
    scored = as_a_user(
        *("score.py", output, questions, "--index", index, "--judge", "none", "--report", report)
    )
    assert "Traceback" not in scored.err
    assert report.is_file(), scored.err
    found = as_a_user("find.py", TEXTS[0], "--index", index)
    assert {hit["video"] for hit in found.records} == {str(video)}, found.err


def test_a_question_spells_a_name_in_another_form_than_the_disk(
    capsys: Capture, tmp_path: Path
) -> None:
    here = world()
    video = tmp_path / "videos" / unicodedata.normalize("NFD", "phố é.mp4")
    video.parent.mkdir()
    shutil.copy(here.videos / "few.mp4", video)
    assert build_index(video.parent, tmp_path / "index", here.model) == 0
    asked = unicodedata.normalize("NFC", video.name)
    questions = write_questions(tmp_path / "q.json", {"video_path": f"test/{asked}"})
    result = ran(capsys, "answer.py", questions, "--index", tmp_path / "index", "--output", "-")
    assert result.code == 0, result.err
    assert result.records[0]["video"] == str(video)


def test_videos_that_are_gone(capsys: Capture, tmp_path: Path) -> None:
    here = world()
    (tmp_path / "old").mkdir()
    shutil.copy(here.videos / "few.mp4", tmp_path / "old/few.mp4")
    index = tmp_path / "index"
    assert build_index(tmp_path / "old", index, here.model) == 0
    (tmp_path / "old").rename(tmp_path / "new")
    questions = write_questions(tmp_path / "q.json", {"video_path": "few.mp4"})

    def run(*flags: object) -> Ran:
        folder = tmp_path / "jpg"
        flags = ("--index", index, "--output", "-", "--save-frames", folder, *flags)
        return ran(capsys, "answer.py", questions, *flags)

    gone = run()
    assert gone.code == 1
    assert len(gone.records[0]["frames"]) == 4
    assert "few.mp4 are saved: " in gone.err
    assert "few.mp4 is gone; say with --videos" in gone.err
    told = summary(gone.err)
    assert (told["failed"], told["saved_frames"], told["unsaved_videos"]) == (0, 0, 1)
    found = run("--videos", tmp_path / "new")
    assert found.code == 0
    assert found.records == gone.records
    assert summary(found.err)["saved_frames"] == 4


@pytest.mark.parametrize(
    ("flags", "wanted"),
    [
        (["--frames", "0"], ["--frames is 0"]),
        (["--frames", "-3"], ["--frames is -3"]),
        (["--smooth-s", "-1"], ["--smooth-s is -1", "from 0 to 60"]),
        (["--caption", "1", "--choices", "each"], ["--caption 1 reads no choices"]),
        (["--join", "mean"], ["--join mean joins the texts of --choices each"]),
        (["--smooth-s", "1", "--pick", "uniform"], ["changes nothing for --pick uniform"]),
        (["--size", "big"], ["--size is 'big'", "1920x1080"]),
        (["--index", "nowhere"], ["nowhere is no index", "python index/build.py"]),
        (["--output", "{tmp}"], ["{tmp} is no file"]),
        (["--output", "/dev/null"], ["/dev/null is no file"]),
        (["--save-frames", "{tmp}/bert/config.json"], ["bert/config.json is no folder"]),
        (["--videos", "{tmp}/none"], ["{tmp}/none does not exist"]),
        (["--model", "{tmp}/none"], ["{tmp}/none is no folder here", "--model"]),
        (["--model", "{tmp}/bert"], ["{tmp}/bert is a bert model", "CLIP or SigLIP"]),
        (["--index", "{tmp}/profile"], ["profile.json is damaged", "--rebuild"]),
        (["--index", "{tmp}/empty"], ["catalog.sqlite is missing", "--repair"]),
    ],
)
def test_wrong_calls(capsys: Capture, tmp_path: Path, flags: list[str], wanted: list[str]) -> None:
    here = world()
    questions = write_questions(tmp_path / "q.json", {"video_path": "few.mp4"})
    for name, text in (("profile", "{"), ("empty", (here.index / "profile.json").read_text())):
        (tmp_path / name).mkdir()
        (tmp_path / name / "profile.json").write_text(text)
    small: dict[str, Any] = {"hidden_size": 8, "num_attention_heads": 1, "num_hidden_layers": 1}
    BertModel(BertConfig(intermediate_size=8, vocab_size=9, **small)).save_pretrained(
        tmp_path / "bert"
    )
    own = {"--index": str(here.index), "--output": str(tmp_path / "answers.jsonl")}
    for flag, value in zip(flags[::2], flags[1::2], strict=True):
        own[flag] = value.replace("{tmp}", str(tmp_path))
    result = ran(capsys, "answer.py", questions, *(part for flag in own.items() for part in flag))
    refused(result, *(text.replace("{tmp}", str(tmp_path)) for text in wanted))
    assert not (tmp_path / "answers.jsonl").exists()


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ('{"data": [\n  {"id": }]}', ["line 2)"]),
        ('[{"id": "a", "question": " ", "video_path": "x.mp4"}]', ["'a'", "question is ' '"]),
        ('[{"id": "a", "question": "b"}]', ["video_path is missing"]),
        ("[]", ["no question"]),
    ],
)
def test_bad_questions(capsys: Capture, tmp_path: Path, text: str, wanted: list[str]) -> None:
    (tmp_path / "q.json").write_text(text)
    result = ran(capsys, "answer.py", tmp_path / "q.json", "--index", world().index)
    refused(result, str(tmp_path / "q.json"), *wanted)


def test_as_a_user(tmp_path: Path) -> None:
    here = world()
    record = {"id": "Câu 1", "question": TEXTS[1], "video_path": "videos/few.mp4"}
    flags = ("--index", here.index, "--output", "-")
    done = as_a_user("answer.py", "-", *flags, stdin=json.dumps(record))
    assert done.code == 0, done.err
    assert done.records[0]["id"] == "Câu 1"
    assert "Câu" in done.out
    assert len(done.records[0]["frames"]) == 4
    assert done.err.count("\n") == 1
    assert summary(done.err)["questions"] == 1
    refused(as_a_user("answer.py", tmp_path / "none.json", *flags), "none.json", "cannot be read")


def test_real_clips(capsys: Capture, clips: Path, tmp_path: Path) -> None:
    here = world()
    index = tmp_path / "index"
    build_index(clips, index, here.model)
    queries = load_questions(clips / "questions.json")
    result = ran(capsys, "answer.py", clips / "questions.json", "--index", index, "--output", "-")
    assert result.code == 0, result.err
    assert [record["id"] for record in result.records] == [question.id for question in queries]
    assert len(queries) == 42
    texts = text_vectors(here.model, [question.question for question in queries])
    for question, text, record in zip(queries, texts, result.records, strict=True):
        assert record["video"] == str(clips / question.video_path)
        vectors, time_s, duration_s = stored(index, Path(record["video"]))
        rows = best_of_segments(vectors @ text, time_s, duration_s, 4)
        assert [frame["row"] for frame in record["frames"]] == rows
    for name in STRATEGIES:
        smooth = () if name in BASELINES else ("--smooth-s", 0.6, "--choices", "each")
        flags = ("--index", index, "--output", "-", "--pick", name, *smooth)
        result = ran(capsys, "answer.py", clips / "questions.json", *flags)
        for record in result.records:
            own = [frame["row"] for frame in record["frames"]]
            _, time_s, _ = stored(index, Path(record["video"]))
            assert own == sorted(set(own))
            assert len(own) == min(4, len(time_s))


@pytest.mark.parametrize("join", ["max", "mean"])
def test_each_choice_is_a_text_of_its_own_and_curves_are_smoothed(
    capsys: Capture, questions: Path, join: str
) -> None:
    here = world()
    flags = ("--choices", "each", "--join", join, "--smooth-s", 1.2, "--pick", "top")
    for question, record in zip(
        load_questions(questions), answers(capsys, questions, *flags), strict=True
    ):
        assert list(record) == ["id", "video", "pick", "smooth_s", "frames"]
        assert record["smooth_s"] == 1.2
        own = [question.question, *(f"{question.question} {c}" for c in question.choices)]
        vectors, time_s, _ = stored(here.index, Path(record["video"]))
        each = text_vectors(here.model, own) @ vectors.T  # (3, F)
        scores = each.max(axis=0) if join == "max" else each.mean(axis=0)
        near = np.maximum(0, 1 - np.abs(time_s[:, None] - time_s) / 1.2)
        curve = near @ scores / near.sum(axis=1)
        rows = [frame["row"] for frame in record["frames"]]
        least = np.sort(curve)[::-1][: len(rows)].min()
        assert (curve[rows] >= least - 2e-6).all()
        for row, frame in zip(rows, record["frames"], strict=True):
            assert frame["score"] == pytest.approx(scores[row], abs=2e-6)


@pytest.mark.parametrize(
    "flags",
    [
        ["--output", "q.json"],
        ["--output", "link.json"],
        ["--output", "index/catalog.sqlite"],
        ["--output", "index/new.jsonl"],
        ["--output", "model/config.json", "--model", "model"],
        ["--output", "labels.json", "--labels", "labels.json"],
        ["--output", "prompt.toml", "--prompt", "prompt.toml"],
        ["--output", "a.mp4"],
        ["--output", "out", "--submission", "q.json", "--reader", "clip"],
        ["--output", "out", "--submission", "out", "--reader", "clip"],
        ["--output", "out", "--save-frames", "index"],
        ["--output", "out", "--save-frames", "index/frames"],
    ],
)
def test_an_output_that_is_an_input_is_refused_before_any_work(
    flags: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    for folder in ("index", "model"):
        (tmp_path / folder).mkdir()
    for name in ("q.json", "index/catalog.sqlite", "model/config.json", "labels.json"):
        (tmp_path / name).write_text("kept")
    (tmp_path / "prompt.toml").write_text("kept")
    (tmp_path / "a.mp4").write_text("kept")
    (tmp_path / "link.json").symlink_to("q.json")
    before = {path: path.is_dir() or path.read_text() for path in tmp_path.rglob("*")}
    monkeypatch.chdir(tmp_path)
    result = ran(capsys, "answer.py", "q.json", "--index", "index", *flags)
    refused(result, "would overwrite")
    assert {path: path.is_dir() or path.read_text() for path in tmp_path.rglob("*")} == before


def test_an_interrupted_run_keeps_the_blocks_of_a_video_that_were_done(
    capsys: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = [{"id": str(n), "question": TEXTS[n % 4], "video_path": "few.mp4"} for n in range(6)]
    questions = write_questions(tmp_path / "q.json", *records)
    expected = answers(capsys, questions)
    output = tmp_path / "answers.jsonl"
    flags = ("--index", world().index, "--output", output)
    monkeypatch.setattr("infer.selection.frame_scores.SCORES_AT_ONCE", 1)  # a question a block
    blocks: list[int] = []

    def interrupted(*args: Any) -> ScoredVideo:
        blocks.append(1)
        if len(blocks) == 4:
            raise KeyboardInterrupt
        return score_video(*args)

    with monkeypatch.context() as patch:
        patch.setattr("infer.answering.bulk.score_video", interrupted)
        assert ran(capsys, "answer.py", questions, *flags).code == 130
    result = ran(capsys, "answer.py", questions, *flags)
    assert result.code == 0, result.err
    assert json.loads(result.out)["resumed"] == 3
    found = [json.loads(line) for line in output.read_text().splitlines()]
    # The texts were encoded in other batches, so scores differ in the last digit.
    for record in expected:
        for frame in record["frames"]:
            frame["score"] = pytest.approx(frame["score"], abs=2e-6)
    assert found == expected
