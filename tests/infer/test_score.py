"""infer/score.py as a user runs it."""

import json
import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from index.decoding.decoders import frames_at
from index.errors import VideoError
from infer.judge import SIM_THRESHOLDS, judge_vectors, load_judge
from tests.fixtures_infer import (
    Ran,
    as_a_user,
    judge_folder,
    ran,
    refused,
    stored,
    world,
    write_questions,
)

LABELS: list[dict[str, Any]] = [
    {"video_path": "a/constant.mp4", "support_frames": [1.0], "choices": ["A. 1", "B. 2"]},
    {"video_path": "vp9.webm", "support_ranges": [[0.4, 0.9], [1.4, 1.6]]},
    {"video_path": "b_frames.mp4", "support_frames": [0.2, 2.2], "question": "Xe màu gì?"},
    {"video_path": "vp9.webm"},
]


@pytest.fixture
def questions(tmp_path: Path) -> Path:
    return write_questions(tmp_path / "questions.json", *LABELS)


@pytest.fixture
def answers(tmp_path: Path, questions: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    path = tmp_path / "answers.jsonl"
    assert ran(capsys, "answer.py", questions, "--index", world().index, "--output", path).code == 0
    return path


@pytest.fixture
def scored(
    answers: Path, questions: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Any:
    def score(*args: object, answers: Path = answers, questions: Path = questions) -> Ran:
        given = () if "--judge" in args else ("--judge", "none")
        return ran(capsys, "score.py", answers, questions, "--index", world().index, *given, *args)

    return score


def picks(answers: Path) -> dict[str, list[float]]:
    records = map(json.loads, answers.read_text().splitlines())
    return {one["id"]: [frame["time_s"] for frame in one["frames"]] for one in records}


def test_the_figures_are_those_of_the_picks(scored: Any, answers: Path) -> None:
    result = scored()
    assert result.code == 0, result.err
    (told,) = result.records
    assert (told["questions"], told["unlabelled"], told["not_scored"]) == (3, 1, 0)
    assert (told["frames"], told["videos"]) == (4, 3)
    assert list(told["rows"]) == ["answers", "uniform", "random", "oracle"]
    picked = picks(answers)
    hits = [
        any(abs(t - 1.0) <= 0.5 for t in picked["q0"]),
        any(0.4 <= t <= 0.9 or 1.4 <= t <= 1.6 for t in picked["q1"]),
        any(abs(t - s) <= 0.5 for t in picked["q2"] for s in (0.2, 2.2)),
    ]
    hit = told["rows"]["answers"]["hit"]
    assert hit["mean"] == pytest.approx(np.mean(hits))
    assert hit["questions"] == 3
    assert 0 <= hit["low"] <= hit["mean"] <= hit["high"] <= 1
    lead = told["minus_uniform"]["answers"]["hit"]["mean"]
    assert lead == pytest.approx(hit["mean"] - told["rows"]["uniform"]["hit"]["mean"])
    away = [min(abs(t - 1.0) for t in picked["q0"])]
    away += [sum(min(abs(t - s) for t in picked["q2"]) for s in (0.2, 2.2)) / 2]
    assert told["rows"]["answers"]["distance_s"]["mean"] == pytest.approx(np.mean(away), abs=1e-6)
    assert told["rows"]["answers"]["IoU"]["questions"] == 1
    for figure, best in told["rows"]["oracle"].items():
        others = [told["rows"][name][figure]["mean"] for name in ("answers", "uniform", "random")]
        if figure == "distance_s":
            assert best["mean"] <= min(others) + 1e-6
        else:
            assert best["mean"] >= max(others) - 1e-6
    assert set(told["by"]) == {"choices", "support_frames", "clip_length", "language"}
    assert set(told["by"]["language"]) == {"en", "vi"}
    assert "sim_0.95" not in told["rows"]["answers"]
    lines = result.err.splitlines()
    assert lines[0].split()[:2] == ["%,", "_s:"]
    assert any(line.startswith("distance_s") for line in lines)
    assert any(line.startswith("language: vi") for line in lines)


def with_answers(answers: Path, name: str, *changes: dict[str, Any]) -> Path:
    """The answers with more keys, record by record."""
    records = [json.loads(line) for line in answers.read_text().splitlines()]
    path = answers.with_name(name)
    path.write_text(
        "".join(
            json.dumps(one | change) + "\n" for one, change in zip(records, changes, strict=True)
        )
    )
    return path


def chosen(letter: str, **probabilities: float) -> dict[str, Any]:
    return {"letter": letter, "text": letter, "probabilities": probabilities or None}


TWO = {"choices": ["A. 1", "B. 2"], "answer": "B"}
READ: list[dict[str, Any]] = [
    {"reader": "clip", "answers": {"picked": chosen("B", A=0.1, B=0.9), "uniform": chosen("A")}},
    {"reader": "clip", "answers": {"picked": chosen("A", A=0.8, B=0.2), "uniform": chosen("A")}},
    {"reader": "clip", "answer": {"text": "red"}},
    {"reader": "clip", "answer": chosen("A")},
]


def test_a_readers_answers_are_scored_beside_the_frames(
    scored: Any, answers: Path, tmp_path: Path
) -> None:
    queries = [
        LABELS[0] | TWO,
        LABELS[1] | TWO,
        LABELS[2] | TWO,
        LABELS[3] | TWO | {"answer": None},
    ]
    questions = write_questions(tmp_path / "q.json", *queries)
    read = with_answers(answers, "read.jsonl", *READ)
    report = tmp_path / "r.html"
    result = scored("--report", report, answers=read, questions=questions)
    assert result.code == 0, result.err
    (told,) = result.records
    (frames,) = scored(questions=questions).records
    reader = told.pop("reader")
    assert told == frames
    assert (reader["name"], reader["questions"]) == ("clip", 2)
    assert (reader["unanswered"], reader["unlabelled"]) == (1, 1)
    assert list(reader["rows"]) == ["picked", "uniform", "most_frequent_letter", "guess"]
    picked = reader["rows"]["picked"]
    assert picked["accuracy"]["mean"] == 0.5
    hit = any(abs(t - 1.0) <= 0.5 for t in picks(answers)["q0"])
    assert picked["grounded"] | {"low": 0, "high": 0} == {
        "mean": hit / 2,
        "low": 0,
        "high": 0,
        "questions": 2,
    }
    assert (picked["acc_gqa"]["mean"], picked["acc_gqa"]["questions"]) == (0, 1)
    assert picked["ece"]["mean"] == pytest.approx((0.1 + 0.8) / 2)
    assert reader["rows"]["most_frequent_letter"]["letter"] == "B"
    assert reader["differences"]["picked_minus_uniform"]["accuracy"]["mean"] == 0.5
    assert set(reader["by"]) == set(told["by"])
    assert any(line.startswith("%, clip") for line in result.err.splitlines())
    page = report.read_text()
    assert "picked 90 %" in page
    assert "clip is right, in per cent: picked 50.0" in page


def test_answers_are_scored_without_labels_of_frames(
    scored: Any, answers: Path, tmp_path: Path
) -> None:
    bare = [{"video_path": one["video_path"]} | TWO for one in LABELS]
    questions = write_questions(tmp_path / "q.json", *bare)
    read = with_answers(answers, "read.jsonl", *READ)
    result = scored("--report", tmp_path / "r.html", answers=read, questions=questions)
    assert result.code == 0, result.err
    (told,) = result.records
    assert (told["questions"], told["unlabelled"], told["rows"], told["by"]) == (0, 4, {}, {})
    assert told["reader"]["questions"] == 3
    assert list(told["reader"]["rows"]["picked"]) == ["accuracy", "ece"]
    said = "no figures of frames: none of 4 questions has support_frames, support_ranges or scenes"
    assert result.err.splitlines()[0] == said
    assert "clip is right" in (tmp_path / "r.html").read_text()
    # Neither the frames nor the letters of these can be scored.
    free = with_answers(answers, "free.jsonl", *[{"answer": {"text": "red"}}] * 4)
    refused(scored(answers=free, questions=questions), "none of 4 questions has support_frames")
    unknown = write_questions(tmp_path / "u.json", *(one | {"answer": None} for one in bare))
    refused(scored(answers=read, questions=unknown), "none of 4 questions has support_frames")


def test_free_text_leaves_the_figures_of_frames(
    scored: Any, answers: Path, questions: Path
) -> None:
    free = with_answers(answers, "free.jsonl", *[{"answer": {"text": "red"}}] * 4)
    result = scored(answers=free)
    assert result.code == 0, result.err
    assert "reader" not in result.records[0]
    assert "no accuracy: no question has a right answer and a letter" in result.err


def test_a_letter_that_is_no_choice_costs_its_own_question(
    scored: Any, answers: Path, tmp_path: Path
) -> None:
    questions = write_questions(tmp_path / "q.json", *(one | TWO for one in LABELS))
    read = with_answers(answers, "read.jsonl", *READ[:3], {"answer": chosen("C")})
    result = scored(answers=read, questions=questions)
    assert "not graded: answer 'q3': the letter 'C' is no choice" in result.err
    reader = json.loads(result.out)["reader"]
    assert (reader["questions"], reader["not_graded"]) == (2, 1)


def test_the_same_seed_gives_the_same_figures(scored: Any) -> None:
    first, again, other = scored(), scored(), scored("--seed", "7")
    assert first == again
    mean, low = (
        json.loads(other.out)["rows"]["random"]["precision"][key] for key in ("mean", "low")
    )
    assert mean == json.loads(first.out)["rows"]["random"]["precision"]["mean"]
    assert not math.isnan(low)


def test_with_a_judge_there_is_sim_m(scored: Any, answers: Path) -> None:
    judge = judge_folder()
    (told,) = scored("--judge", judge).records
    for row in told["rows"].values():
        assert [f"sim_{m}" in row for m in SIM_THRESHOLDS] == [True] * 5
        assert row["sim_0.95"]["questions"] == 2  # those with support times
    (few,) = scored("--judge", judge, "--judge-frames", "picked").records
    assert few["rows"]["answers"] == told["rows"]["answers"]
    assert "sim_0.95" not in few["rows"]["random"]


def test_without_the_judge_the_other_figures_come(scored: Any, tmp_path: Path) -> None:
    result = scored("--judge", tmp_path / "nowhere")
    assert result.code == 0
    assert result.err.startswith("no sim_m: the model ")
    assert json.loads(result.out)["rows"]["answers"]["hit"]["questions"] == 3


def test_a_judge_without_a_cls_vector_is_one_line(scored: Any) -> None:
    refused(scored("--judge", world().model), "without a CLS vector", "--judge")


def test_what_is_read_is_not_overwritten(scored: Any, answers: Path, tmp_path: Path) -> None:
    questions = write_questions(tmp_path / "q.json", *LABELS)
    before = questions.read_bytes(), answers.read_bytes()
    refused(scored("--report", questions, questions=questions), "--report", "the questions")
    flags = ("--export", "kfs-bench", "--export-path", answers)
    refused(scored(*flags, questions=questions), "--export-path", "overwrite the answers")
    assert (questions.read_bytes(), answers.read_bytes()) == before


def test_kfs_bench_gets_the_times(scored: Any, answers: Path, tmp_path: Path) -> None:
    path = tmp_path / "picks.json"
    assert scored("--export", "kfs-bench", "--export-path", path).code == 0
    exported = json.loads(path.read_text())
    assert {one["id"]: one["frame_timestamps"] for one in exported} == picks(answers)


def test_a_leak_is_an_error(scored: Any, tmp_path: Path) -> None:
    train = tmp_path / "train"
    (train / "videos").mkdir(parents=True)
    shutil.copy(world().videos / "b_frames.mp4", train / "videos/seen.mp4")
    path = write_questions(train / "train.json", {"video_path": "train/videos/seen.mp4"})
    refused(scored("--check-leak", path), "1 of 3 scored videos were trained on")
    shutil.copy(world().videos / "one.mp4", train / "videos/seen.mp4")
    assert scored("--check-leak", path).code == 0
    (train / "videos/seen.mp4").unlink()
    refused(scored("--check-leak", path), "1 of 1 videos", "--train-videos")
    assert scored("--check-leak", path, "--train-videos", world().videos / "x").code == 2


def test_ids_that_have_no_counterpart_are_counted(
    scored: Any, answers: Path, tmp_path: Path
) -> None:
    lines = answers.read_text().splitlines()
    some = tmp_path / "some.jsonl"
    error = json.dumps({"id": "q2", "video_path": "b_frames.mp4", "error": "lost"})
    other = json.dumps({"id": "zz", "frames": [{"time_s": 1.0}]})
    some.write_text("\n".join([lines[0], error, other]) + "\n")
    result = scored(answers=some)
    assert result.code == 0
    assert result.records[0]["questions"] == 1
    assert "1 answers have no question" in result.err
    assert "2 questions have no answer" in result.err
    assert "1 answers are errors" in result.err
    some.write_text(other + "\n")
    refused(scored(answers=some), "none of 1 answers has the id of one of 4 questions", "'zz'")
    some.write_text(error + "\n")
    assert "all 1 answers are errors" in scored(answers=some).err
    some.write_text(lines[0] + "\n" + lines[0] + "\n")
    twice = scored(answers=some)
    assert "line 2: id 'q0' stands twice" in twice.err
    assert (twice.code, twice.records[0]["questions"]) == (1, 1)


def test_questions_without_a_label_are_refused(scored: Any, answers: Path, tmp_path: Path) -> None:
    bare = write_questions(tmp_path / "bare.json", *({"video_path": "vp9.webm"} for _ in range(3)))
    refused(
        scored(questions=bare), "none of 3 questions has support_frames, support_ranges or scenes"
    )


def test_unequal_numbers_of_frames_are_refused(scored: Any, answers: Path, tmp_path: Path) -> None:
    records = [json.loads(line) for line in answers.read_text().splitlines()]
    del records[0]["frames"][1:]
    path = tmp_path / "unequal.jsonl"
    path.write_text("".join(json.dumps(one) + "\n" for one in records))
    refused(scored(answers=path), "answer 'q0' has 1 frames where others have 4")


def test_a_video_shorter_than_k_has_fewer(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], scored: Any
) -> None:
    questions = write_questions(
        tmp_path / "q.json",
        {"video_path": "one.mp4", "support_frames": [0.0]},
        {"video_path": "vp9.webm", "support_frames": [0.0]},
    )
    answers = tmp_path / "a.jsonl"
    ran(capsys, "answer.py", questions, "--index", world().index, "--output", answers)
    result = scored(answers=answers, questions=questions)
    assert result.records[0]["rows"]["answers"]["hit"]["questions"] == 2


def test_frames_of_another_index_are_told(scored: Any, answers: Path, tmp_path: Path) -> None:
    time_s = stored(world().index, world().videos / "a/constant.mp4")[1]
    records = [json.loads(line) for line in answers.read_text().splitlines()]
    path = tmp_path / "other.jsonl"

    def told(later_s: float) -> str:
        records[0]["frames"][0]["time_s"] = float(time_s[0]) + later_s
        path.write_text("".join(json.dumps(one) + "\n" for one in records))
        return str(scored(answers=path).err)

    # A frame of the index is shown until the next one of the video, and not at times in between.
    assert "frames at times" not in told(0.01)
    assert "warning: 1 of 4 answers have frames at times at which none of" in told(0.2)


def test_a_span_bounds_all_frames_and_figures(
    scored: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    label = {"video_path": "a/constant.mp4", "support_frames": [1.0]}
    questions = write_questions(
        tmp_path / "q.json",
        label,
        label | {"span_s": [0.7, 2.3]},
        label | {"span_s": [2.2, 60.0]},  # the label is outside
        label | {"span_s": [60.0, 70.0]},
    )
    answers, index = tmp_path / "a.jsonl", ("--index", world().index)
    asked = (questions, *index, "--frames", 2, "--output", answers)
    told = ran(capsys, "answer.py", *asked)
    assert told.code == 1
    assert "failed: q3: span_s [60, 70] lies past the end of the video, which is" in told.err
    records = [json.loads(line) for line in answers.read_text().splitlines()]
    times_s = stored(world().index, world().videos / "a/constant.mp4")[1]
    for record, first, last in zip(records, (0.0, 0.6, 2.2), (9.0, 2.3, 9.0), strict=False):
        for frame in record["frames"]:
            assert frame["time_s"] == times_s[frame["row"]]
            assert first <= frame["time_s"] <= last
        assert [frame["segment"] for frame in record["frames"]] == [0, 1]
    page = tmp_path / "report.html"
    result = scored(
        "--report", page, "--judge", judge_folder(), answers=answers, questions=questions
    )
    assert result.code == 0, result.err  # what is an error among the answers is not scored
    assert "warning: 1 answers are errors" in result.err
    assert "warning: 1 of 3 questions have labels past the end of their video or" in result.err
    assert "frames at times" not in result.err
    assert "curves" not in result.err
    rows = result.records[0]["rows"]
    assert rows["oracle"]["hit"]["mean"] == pytest.approx(2 / 3, abs=1e-6)
    assert rows["oracle"]["sim_0.99"]["questions"] == 3
    assert page.is_file()
    # Answers of somebody who did not know of the span.
    records[3] = records[0] | {"id": "q3"}
    answers.write_text("".join(json.dumps(one) + "\n" for one in records))
    result = scored(answers=answers, questions=questions)
    assert result.code == 1
    assert "not scored: q3: span_s [60, 70] lies past the end" in result.err
    assert result.records[0]["not_scored"] == 1

    compared = ran(capsys, "compare.py", questions, *index, "--frames", 2)
    assert compared.code == 1
    assert "not scored: q3: span_s [60, 70] lies past the end" in compared.err
    assert "warning: 1 of 3 questions have labels past the end" in compared.err
    assert compared.records[0]["rows"]["quarters"] == result.records[0]["rows"]["answers"]
    assert compared.records[0]["rows"]["oracle"] == result.records[0]["rows"]["oracle"]


def test_questions_about_videos_that_are_not_indexed(scored: Any, tmp_path: Path) -> None:
    questions = write_questions(
        tmp_path / "q.json",
        {"video_path": "gone.mp4", "support_frames": [0.0]},
        {"video_path": "vp9.webm", "support_frames": [0.0]},
    )
    result = scored(questions=questions)
    assert result.code == 1
    assert result.records[0]["not_scored"] == 1
    assert "not scored: q0: gone.mp4 is not in the index" in result.err
    questions = write_questions(tmp_path / "q.json", {"video_path": "gone.mp4"})
    assert scored(questions=questions).code == 2


def test_as_a_user_without_the_hub(answers: Path, questions: Path) -> None:
    result = as_a_user("score.py", answers, questions, "--index", world().index)
    assert result.code == 0, result.err
    assert (
        "no sim_m: the model facebook/dinov2-large is no folder here and cannot be had"
        in result.err
    )
    assert result.records[0]["questions"] == 3


@pytest.mark.parametrize("which", ["answers", "questions", "index"])
def test_what_is_not_there_is_one_line(
    which: str, answers: Path, questions: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    here = {"answers": answers, "questions": questions, "index": world().index}
    here[which] = tmp_path / "nowhere"
    result = ran(capsys, "score.py", here["answers"], here["questions"], "--index", here["index"])
    refused(result, "nowhere")


def test_the_report_has_a_curve_and_pictures_for_each_question(
    scored: Any, answers: Path, tmp_path: Path
) -> None:
    path = tmp_path / "report.html"
    result = scored("--report", path)
    assert result.code == 0, result.err
    page = path.read_text()
    assert page.count("<article") == 4
    assert [one.count('class="curve"') for one in page.split("<article")[1:]] == [1] * 4
    assert "data-picture" in page
    assert "no picture" not in page.split("<article", 1)[1]
    assert all(f"q{n}" in page for n in range(4))
    assert "warning" not in result.err
    few = scored("--report", path, "--report-limit", 2)
    assert few.code == 0
    assert path.read_text().count("<article") == 2
    assert "2 are shown" in path.read_text()
    refused(scored("--report", path, "--report-limit", 0), "--report-limit is 0")


def test_curves_of_another_text_are_told(scored: Any, tmp_path: Path) -> None:
    questions = write_questions(
        tmp_path / "q.json", *(one | {"choices": ["1", "2"]} for one in LABELS)
    )
    result = scored("--report", tmp_path / "r.html", "--caption", 2, questions=questions)
    assert "warning: the curves of " in result.err
    assert (tmp_path / "r.html").is_file()


def test_a_report_without_videos_has_no_pictures(
    scored: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(_library: object, content: str, elsewhere: object) -> Path:
        raise VideoError(f"{content} is gone")

    monkeypatch.setattr("infer.scoring.find_video_file", gone)
    result = scored("--report", tmp_path / "r.html")
    assert result.err.count("warning: no pictures of") == 3
    assert (tmp_path / "r.html").read_text().count("<article") == 4


def test_the_judge_of_the_tests_tells_frames_apart() -> None:
    judge = load_judge(str(judge_folder()), device=torch.device("cpu"))
    frames = frames_at(world().videos / "a/constant.mp4", [0.0, 1.0, 2.0])
    vectors, _ = judge_vectors((frame.image for frame in frames), judge)
    assert (vectors @ vectors.T).min() < SIM_THRESHOLDS[-1]
