"""--frames auto, as a user runs it, and what is refused."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from index.errors import CueframeError
from infer.answering.calibration import refuse_other_language
from tests.fixtures_infer import INDEXED, ran, refused, seen_as, world, write_questions

ASKED: list[dict[str, Any]] = [
    {"video_path": path, "support_ranges": [span], "choices": ["A. Red", "B. Blue"]}
    for path in INDEXED
    for span in ([0.0, 0.6], [1.3, 2.1])
    if "one.mp4" not in path or span[0] == 0
]
Capture = pytest.CaptureFixture[str]


@pytest.fixture
def labelled(tmp_path: Path) -> Path:
    part = {"video_path": "vp9.webm", "span_s": [0.6, 1.6], "support_frames": [1.0]}
    return write_questions(tmp_path / "labelled.json", *ASKED, part, {"video_path": "few.mp4"})


def test_each_question_has_the_frames_that_it_needs(
    labelled: Path, tmp_path: Path, capsys: Capture
) -> None:
    index, output = world().index, tmp_path / "a.jsonl"
    flags = ("--frames", "auto", "--coverage", 0.8, "--calibration", labelled)
    call = (labelled, "--index", index, "--output", output, "--smooth-s", 0.6, *flags)
    result = ran(capsys, "answer.py", *call)
    assert result.code == 0, result.err
    (told,) = result.records
    answers = [json.loads(line) for line in output.read_text().splitlines()]
    sizes = [len(answer["frames"]) for answer in answers]
    assert told["mean_frames"] == pytest.approx(np.mean(sizes), abs=1e-3)
    assert (told["coverage"], told["calibration_videos"]) == (0.8, 6)
    assert told["calibration_questions"] == 12
    assert told["floor"] == pytest.approx(0.05 ** (1 / 6), abs=1e-4)
    assert "warning: 6 of the 6 calibration videos are asked about, too" in result.err
    assert "coverage 0.8: calibrated on 12 questions about 6 videos" in result.err
    assert len(set(sizes)) > 1
    assert {(answer["pick"], answer["coverage"], answer["smooth_s"]) for answer in answers} == {
        ("hills", 0.8, 0.6)
    }
    for answer in answers:
        assert [f["segment"] for f in answer["frames"]] == sorted(
            f["segment"] for f in answer["frames"]
        )
        assert max(f["segment"] for f in answer["frames"]) < len(answer["frames"])
    # It was calibrated on these very questions, so that share of their weight has evidence.
    scored = ran(capsys, "score.py", output, labelled, "--index", index, "--judge", "none")
    assert scored.code == 0, scored.err
    assert scored.records[0]["frames"] == {"least": min(sizes), "most": max(sizes)}
    hits = []
    for path in INDEXED:
        own = tmp_path / "own.jsonl"
        lines = [
            json.dumps(a)
            for a in answers
            if a["video"].endswith(f"/{path}") and a["id"] != f"q{len(ASKED) + 1}"
        ]
        own.write_text("\n".join(lines) + "\n")
        one = ran(capsys, "score.py", own, labelled, "--index", index, "--judge", "none")
        hits.append(one.records[0]["rows"]["answers"]["hit"]["mean"])
    assert sum(hits) / 7 >= 0.8 - 1e-9
    # The same again, block by block and with a reader, whose frames "uniform" are as many.
    reader = ("--reader", "clip", "--reader-frames", "picked", "uniform", "--output", "-")
    again = ran(capsys, "answer.py", *call, *reader)
    read = [r for r in again.records if "error" not in r]
    frames = {answer["id"]: answer["frames"] for answer in answers}
    assert len(read) == len(ASKED)
    assert all(record["frames"] == frames[record["id"]] for record in read)
    assert all(set(record["answers"]) == {"picked", "uniform"} for record in read)


def test_wrong_calls_are_one_line(labelled: Path, tmp_path: Path, capsys: Capture) -> None:
    index = world().index
    auto = ("--frames", "auto", "--coverage", 0.8, "--calibration", labelled)

    def wrong(*flags: object) -> Any:
        return ran(
            capsys, "answer.py", labelled, "--index", index, "--output", tmp_path / "a", *flags
        )

    refused(wrong("--frames", "auto"), "--frames auto needs --coverage")
    refused(wrong("--frames", "auto", "--coverage", 0.8), "--frames auto needs --calibration")
    refused(wrong("--coverage", 0.8), "--coverage 0.8 is for --frames auto")
    refused(wrong("--calibration", labelled), "is for --frames auto")
    refused(wrong("--trained-on", labelled), "is for --frames auto")
    for share in (0, 1, -0.5, 95, "nan"):
        refused(wrong(*auto, "--coverage", share), "--coverage is")
    refused(wrong(*auto, "--pick", "top"), "--frames auto with --pick top")
    refused(wrong(*auto, "--pick", "auto", "--rules", labelled), "--frames auto with --pick auto")
    refused(wrong(*auto, "--coverage", 0.9), "needs labels of 9 videos", "has 6 that can be used")
    refused(wrong(*auto, "--calibration", tmp_path / "none"), "cannot be read")
    refused(wrong(*auto, "--output", labelled), "overwrite")


def test_what_is_left_out_of_a_calibration_is_told(
    labelled: Path, tmp_path: Path, capsys: Capture
) -> None:
    records = json.loads(labelled.read_text())["data"]
    odd: list[dict[str, Any]] = [
        {"id": "bare", "question": "?", "video_path": INDEXED[0]},
        {"id": "ordered", "question": "?", "video_path": INDEXED[0], "support_frames": [0.5]}
        | {"events": ["a"]},
        {"id": "gone", "question": "?", "video_path": "gone.mp4", "support_frames": [1]},
    ]
    given = write_questions(tmp_path / "c.json", *records, *odd)
    flags = ("--frames", "auto", "--coverage", 0.8, "--calibration", given, "--output", "-")
    result = ran(capsys, "answer.py", labelled, "--index", world().index, *flags)
    assert result.code == 1
    assert f"of {len(records) + 3} questions there have no labels, or have events" in result.err
    assert "not calibrated on: gone: " in result.err
    assert len(result.records) == len(records)


def test_evidence_between_the_frames_cannot_be_promised(tmp_path: Path, capsys: Capture) -> None:
    records = [{"video_path": path, "support_ranges": [[0.7, 0.8]]} for path in INDEXED]
    questions = write_questions(tmp_path / "q.json", *records)
    output = tmp_path / "a.jsonl"
    flags = ("--frames", "auto", "--coverage", 0.8, "--calibration", questions)
    call = (questions, "--index", world().index, "--output", output)
    result = ran(capsys, "answer.py", *call, *flags)
    assert (result.code, result.out) == (2, "")
    assert "--coverage 0.8 cannot be kept: no frame of" in result.err
    assert "of 6 calibration questions" in result.err
    assert list(tmp_path.iterdir()) == [questions]


def test_videos_that_were_trained_on_are_refused(
    labelled: Path, tmp_path: Path, capsys: Capture
) -> None:
    here = world()
    model, base = tmp_path / "model", tmp_path / "base"
    model.mkdir()
    for file in here.model.iterdir():
        (model / file.name).symlink_to(file)
    base.mkdir()
    hashes = [seen_as(here.index, here.videos / name).content_hash for name in INDEXED[:2]]

    def record(folder: Path, videos: list[str], before: str) -> None:
        split = {"train": {"questions": [], "videos": videos}, "validation": {}}
        record = {"split": split, "configuration": {"model": before}}
        (folder / "training.json").write_text(json.dumps(record))

    call = (labelled, "--index", here.index, "--output", "-", "--model", model)
    flags = ("--frames", "auto", "--coverage", 0.8, "--calibration", labelled)
    record(model, ["0" * 32], str(base))
    assert ran(capsys, "answer.py", *call, *flags).code == 0
    record(base, hashes, str(model))  # a circle ends
    refused(ran(capsys, "answer.py", *call, *flags), "2 of 6 calibration videos were trained on")
    (model / "training.json").write_text('{"split": []}')
    refused(ran(capsys, "answer.py", *call, *flags), "training.json cannot be read")
    (model / "training.json").unlink()
    trained_on = write_questions(tmp_path / "train.json", {"video_path": "videos/few.mp4"})
    told: tuple[object, ...] = ("--trained-on", trained_on)
    refused(ran(capsys, "answer.py", *call, *flags, *told), "not found", "--videos")
    told += ("--videos", here.videos)
    refused(
        ran(capsys, "answer.py", *call, *flags, *told),
        "1 of 6 calibration videos were trained on",
        "calibrate on other videos",
    )


def test_another_language_than_the_labels_is_refused() -> None:
    english = ["Which truck passes?", "What does the green sign show?", "Where is the red star?"]
    vietnamese = ["Xe tải nào đi qua?", "Biển màu xanh hiện gì?", "Ngôi sao đỏ ở đâu?"]
    with pytest.raises(CueframeError, match=r"another language \(vi\) .*\(en\)") as error:
        refuse_other_language(vietnamese * 3, english * 10)
    assert "\n" not in str(error.value)
    refuse_other_language(vietnamese * 3, english * 10 + vietnamese * 3)
    refuse_other_language(english * 3, english + vietnamese)
    refuse_other_language(vietnamese[:2], english * 10)  # two may have been guessed wrong
