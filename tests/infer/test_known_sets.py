"""Every known set in its own layout, from its file through answering and scoring to mining."""

import json
from pathlib import Path

import pytest

from tests.fixtures_infer import ends_of, ran, seen_as, stored, world
from tests.infer.sets import as_file, samples
from train.mine import MineConfig, mine

Capture = pytest.CaptureFixture[str]

SETS = samples("b_frames")


@pytest.mark.parametrize("name", SETS)
def test_a_set_is_answered_and_scored_as_it_is(tmp_path: Path, capsys: Capture, name: str) -> None:
    sample = SETS[name]
    path, labels = as_file(tmp_path, name, sample)
    apart = ["--labels", *labels] if labels else []
    reader = ["--reader", "clip"] if sample.right else []
    index, output = ("--index", world().index), tmp_path / "answers.jsonl"
    done = ran(capsys, "answer.py", path, *apart, *index, "--output", output, *reader)
    assert (done.code, done.err.count("failed")) == (0, 0)
    answers = [json.loads(line) for line in output.read_text().splitlines()]
    assert [one["id"] for one in answers] == sample.ids
    assert all("b_frames" in one["video"] for one in answers)
    if sample.asks_about:
        start_s, end_s = sample.asks_about
        video = world().videos / "b_frames.mp4"
        rows = [frame["row"] for frame in answers[0]["frames"]]
        assert (stored(world().index, video)[1][rows] <= end_s).all()
        assert (ends_of(world().index, video)[rows] > start_s).all()
    if not sample.right and not sample.evidence:
        return
    judge = ("--judge", "none")
    scored = ran(capsys, "score.py", output, path, *apart, *index, *judge)
    assert scored.code == 0
    result = json.loads(scored.out)
    if sample.right:
        assert result["reader"]["questions"] >= 1
    if sample.evidence:
        assert set(result["rows"]) == {"answers", "uniform", "random", "oracle"}


@pytest.mark.parametrize("name", [name for name, sample in SETS.items() if sample.evidence])
def test_a_set_with_evidence_is_mined(tmp_path: Path, capsys: Capture, name: str) -> None:
    path, labels = as_file(tmp_path, name, SETS[name])
    code = mine(
        MineConfig(
            input_folder=world().videos,
            output_folder=tmp_path / "dataset",
            json_path=path,
            labels=tuple(labels),
            model=str(world().model),
            neg_sim_threshold=1.1,
            workers=1,
        )
    )
    result = json.loads(capsys.readouterr().out)
    assert (code, result["failed"], result["refused"]) == (0, 0, 0)
    evidence = SETS[name].evidence
    assert evidence is not None
    first = json.loads((tmp_path / "dataset/mined.jsonl").read_text().splitlines()[0])
    assert first["id"] == SETS[name].ids[0]
    assert (
        first["content_hash"]
        == seen_as(world().index, world().videos / "b_frames.mp4").content_hash
    )
    assert [one["support_time_s"] for one in first["true"]] == [(a + b) / 2 for a, b in evidence]


def test_labels_without_questions_are_scored_from_an_index(tmp_path: Path, capsys: Capture) -> None:
    path, labels = as_file(tmp_path, "nextgqa", SETS["nextgqa"])
    index, output = ("--index", world().index), tmp_path / "answers.jsonl"
    assert ran(capsys, "answer.py", path, *index, "--output", output).code == 0
    scored = ran(capsys, "score.py", output, *labels, *index, "--judge", "none")
    assert (scored.code, scored.records[0]["questions"]) == (0, 1)
    asked = ran(capsys, "answer.py", *labels, *index, "--output", tmp_path / "none.jsonl")
    assert asked.code == 1
    assert "has no text, since its file has labels alone" in asked.err
