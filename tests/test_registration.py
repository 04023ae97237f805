"""One registration is enough: for a strategy, for a loss, and for a figure."""

import importlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import tyro

import infer.answering.config
import infer.flags
import train.config
from infer.answer_file import load_answers
from infer.evaluation.baselines import FIGURES, Figure
from infer.selection.registry import STRATEGIES, Strategy
from tests import registered
from tests.fixtures_infer import TEXTS, ran, world, write_questions
from tests.fixtures_train import losses, trained
from train.losses.registry import LOSSES, LossEntry


@pytest.fixture
def questions(tmp_path: Path) -> Path:
    return write_questions(
        tmp_path / "q.json",
        {"video_path": "vp9.webm", "support_frames": [1.0], "support_ranges": [[0.5, 2]]},
        {"video_path": "x/same.mp4", "question": TEXTS[1], "support_frames": [0.4]},
    )


@pytest.fixture
def _reloaded() -> Iterator[None]:
    """Flags are made when their module is loaded; as in a new process, that is now."""
    yield
    for module in (infer.flags, infer.answering.config, train.config):
        importlib.reload(module)


@pytest.mark.usefixtures("_reloaded")
def test_a_strategy(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    questions: Path,
    tmp_path: Path,
) -> None:
    monkeypatch.setitem(
        STRATEGIES, "first", Strategy("tests.registered:pick_first", "the K first frames")
    )
    importlib.reload(infer.flags)
    config = importlib.reload(infer.answering.config)
    arguments = ["q.json", "--pick", "first"]
    assert tyro.cli(config.AnswerConfig, args=arguments).pick == "first"
    with pytest.raises(SystemExit):
        tyro.cli(config.AnswerConfig, args=["--help"])
    assert "first: the K first frames" in " ".join(capsys.readouterr().out.replace("│", "").split())

    output = tmp_path / "a.jsonl"
    flags = ("--index", world().index, "--output", output, "--pick", "first")
    assert ran(capsys, "answer.py", questions, *flags).code == 0
    for answer in load_answers(output).records:
        assert [frame.model_extra["row"] for frame in answer.frames if frame.model_extra] == [
            *range(len(answer.frames))
        ]
    table = ran(capsys, "compare.py", questions, "--index", world().index)
    assert table.code == 0
    assert "first" in table.err
    assert "first" in table.records[0]["rows"]


@pytest.mark.usefixtures("_reloaded")
def test_a_loss(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setitem(LOSSES, 5, LossEntry("tests.registered:Pull", "pull alone"))
    config = importlib.reload(train.config)
    with pytest.raises(SystemExit):
        tyro.cli(config.TrainConfig, args=["--help"])
    assert "5: pull alone" in " ".join(capsys.readouterr().out.replace("│", "").split())
    output = trained(tmp_path / "out", loss_setting=5, epochs=3)
    assert losses(output)[-1] < losses(output)[0]
    settings = json.loads((output / "training.json").read_text())["configuration"]
    assert settings["loss_setting"] == 5


def test_a_figure(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    questions: Path,
    tmp_path: Path,
) -> None:
    monkeypatch.setitem(
        FIGURES, "earliest_s", Figure(registered.earliest_s, registered.earliest_of_draws)
    )
    output, page = tmp_path / "a.jsonl", tmp_path / "report.html"
    asked = ("--index", world().index)
    assert ran(capsys, "answer.py", questions, *asked, "--output", output).code == 0
    result = ran(capsys, "score.py", output, questions, *asked, "--judge", "none", "--report", page)
    assert result.code == 0, result.err
    firsts = [min(f.time_s for f in answer.frames) for answer in load_answers(output).records]
    rows = result.records[0]["rows"]
    assert rows["answers"]["earliest_s"]["mean"] == pytest.approx(sum(firsts) / 2, abs=1e-6)
    assert set(rows) == {"answers", "uniform", "random", "oracle"}
    assert all("earliest_s" in row for row in rows.values())
    assert "earliest_s" in result.err
    assert "earliest" in page.read_text()
    compared = ran(capsys, "compare.py", questions, *asked).records[0]
    assert all("earliest_s" in row for row in compared["rows"].values())
