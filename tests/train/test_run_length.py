import json
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from index.errors import CueframeError
from tests.fixtures_train import (
    command,
    config,
    environment,
    losses,
    metrics,
    refusal,
    trained,
    weights,
)
from tests.paths import ROOT
from tests.train.test_checkpoint import killed_after
from train.checkpoint import Progress
from train.config import TrainConfig
from train.run_length import note_length, planned_steps, refuse_shorter, runs_out, with_length_of
from train.validation_result import Validation


@given(st.integers(1, 50), st.integers(1, 9), st.integers(0, 500))
def test_whole_passes_as_few_as_reach_both_flags(
    steps_per_epoch: int, epochs: int, min_steps: int
) -> None:
    steps = planned_steps(TrainConfig(epochs=epochs, min_steps=min_steps), steps_per_epoch)
    assert steps % steps_per_epoch == 0
    assert steps >= max(epochs * steps_per_epoch, min_steps)
    assert steps == epochs * steps_per_epoch or steps - steps_per_epoch < min_steps


def test_one_pass_or_exactly_so_many_steps() -> None:
    assert planned_steps(TrainConfig(), 12) == 12
    assert planned_steps(TrainConfig(min_steps=13), 12) == 24
    assert planned_steps(TrainConfig(steps=13), 12) == 13


@pytest.mark.parametrize(
    ("before", "asked", "now"),
    [
        ({"epochs": 4, "min_steps": 9, "patience": 2}, {}, {}),
        ({"epochs": 4, "min_steps": 9, "patience": 2}, {"epochs": 6}, {"epochs": 6}),
        ({"epochs": 4, "patience": 2}, {"patience": 0}, {"patience": 0}),
        ({"epochs": 4, "min_steps": 9}, {"steps": 70}, {"steps": 70, "epochs": None}),
        ({"steps": 70}, {"min_steps": 80}, {"min_steps": 80, "steps": None}),
        ({"steps": 70}, {"epochs": 2}, {"epochs": 2, "steps": None}),
        ({"epochs": "four"}, {}, {"epochs": None}),  # by a person's hand
    ],
)
def test_what_is_not_asked_for_stays_as_it_was(
    tmp_path: Path, before: dict[str, Any], asked: dict[str, Any], now: dict[str, Any]
) -> None:
    run = {f"--{name.replace('_', '-')}": value for name, value in before.items()}
    (tmp_path / "run.json").write_text(json.dumps(run))
    found = with_length_of(tmp_path, TrainConfig(lr=0.5, **asked))
    wanted = before | now
    if "steps" in asked:
        wanted["min_steps"] = None
    assert found == TrainConfig(lr=0.5, **wanted)
    assert with_length_of(tmp_path / "none", TrainConfig(**asked)) == TrainConfig(**asked)


def test_a_change_of_the_length_is_noted() -> None:
    progress = Progress()
    assert note_length(progress, 10) is None
    progress.step = 7
    assert note_length(progress, 10) is None
    assert progress.lengths == []
    assert note_length(progress, 15) == 10
    assert progress.lengths == [{"after_step": 7, "steps_before": 10, "steps": 15}]


def test_patience_counts_validations_and_waits_for_the_least_steps() -> None:
    progress = Progress(step=20, since_best=2)
    assert runs_out(TrainConfig(patience=2), progress)
    assert not runs_out(TrainConfig(patience=3), progress)
    assert not runs_out(TrainConfig(patience=0), progress)
    assert not runs_out(TrainConfig(), progress)
    assert not runs_out(TrainConfig(patience=2, min_steps=21), progress)


def test_a_length_that_is_passed_is_refused(tmp_path: Path) -> None:
    refuse_shorter(tmp_path, 1)
    (tmp_path / "checkpoints" / "step-00000010").mkdir(parents=True)
    refuse_shorter(tmp_path, 10)
    with pytest.raises(CueframeError, match=r"a run of 10 steps, and now .* 9; ask .* --epochs"):
        refuse_shorter(tmp_path, 9)


def test_a_run_takes_the_steps_asked_for(tmp_path: Path) -> None:
    """A pass has five of them, or four with validation."""
    least = trained(tmp_path / "least", epochs=None, min_steps=7)
    assert len(losses(least)) == 10
    exact = trained(tmp_path / "exact", epochs=None, steps=7, ratio=0.25)
    lines = metrics(exact)
    assert [line["step"] for line in lines if "validation" in line] == [4, 7]
    courses = (
        [line["lr"] for line in metrics(least)],
        [line["lr"] for line in lines if "lr" in line],
    )
    for course in courses:  # to the end of the cosine, of each length its own
        assert course.index(max(course)) <= 1
        assert course[-1] < 0.15 * max(course)


def test_a_run_that_is_over_gets_longer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    output = trained(tmp_path / "out", epochs=1)
    trained(output, epochs=2, resume=True)
    assert "the run had 5 steps, and has 10 now" in capsys.readouterr().err
    length = json.loads((output / "training.json").read_text())["length"]
    change = {"after_step": 5, "steps_before": 5, "steps": 10}
    assert length == {"steps": 10, "changes": [change]}
    rates = [line["lr"] for line in metrics(output)]
    whole = [line["lr"] for line in metrics(trained(tmp_path / "whole", epochs=2))]
    assert rates[5:] == whole[5:]
    assert rates[:5] != whole[:5]

    again = trained(tmp_path / "again", epochs=1)
    killed_after(7, monkeypatch, again, epochs=2, resume=True, save_every=1)
    trained(again, epochs=None, resume=True)  # as long as it was
    assert torch.equal(weights(again), weights(output))
    assert metrics(again) == metrics(output)
    assert json.loads((again / "training.json").read_text())["length"] == length

    run = (again / "run.json").read_text()
    assert "has a run of 10 steps, and now it should have 5; ask" in refusal(
        again, epochs=1, resume=True
    )
    assert (again / "run.json").read_text() == run


HITS = [0.5, 0.6, 0.6, 0.4, 0.3, 0.2]
"""Of six validations; none is better than the second, and the third is as good."""


def ranked(course: Iterable[float]) -> property:
    """A `Validation.rank` that gives each validation the next of these hits."""
    left = iter(course)
    seen: list[tuple[Validation, float]] = []

    def rank(validation: Validation) -> list[float]:
        if not any(one is validation for one, _ in seen):
            seen.append((validation, next(left)))
        return [next(hit for one, hit in seen if one is validation), 0.0, 0.0]

    return property(rank)


def test_patience_ends_a_run_also_where_it_was_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A pass has four steps."""
    flags: dict[str, Any] = {"ratio": 0.25, "epochs": 6, "patience": 2}
    monkeypatch.setattr(Validation, "rank", ranked(HITS))
    whole = trained(tmp_path / "whole", **flags)
    said = capsys.readouterr()
    assert "ended after step 16 of 24 by --patience 2: 2 validations without" in said.err
    result = json.loads(said.out)
    assert (result["steps"], result["saved_step"]) == (16, 12)

    output = tmp_path / "out"
    monkeypatch.setattr(Validation, "rank", ranked(HITS))
    killed_after(14, monkeypatch, output, **flags)
    trained(output, **flags, resume=True)
    assert torch.equal(weights(output), weights(whole))
    assert metrics(output) == metrics(whole)
    trained(output, **flags, resume=True)
    assert metrics(output) == metrics(whole)
    trained(output, **flags | {"patience": 3}, resume=True)
    assert metrics(output)[-2]["step"] == 20
    run = json.loads((output / "run.json").read_text())
    assert (run.pop("--patience"), run.pop("validation")) == (3, "by halves")
    (output / "run.json").write_text(json.dumps(run))  # as an older run left it
    line = refusal(output, **flags, resume=True)
    assert "has validation None, not by halves" in line


@pytest.mark.slow
def test_patience_ends_all_processes(tmp_path: Path) -> None:
    script = tmp_path / "main.py"
    script.write_text(
        "import runpy\n"
        "from tests.train.test_run_length import HITS, ranked\n"
        "from train.validation_result import Validation\n"
        "Validation.rank = ranked(HITS)\n"
        f"runpy.run_path({str(ROOT / 'train' / 'main.py')!r}, run_name='__main__')\n"
    )
    flags = config(tmp_path / "out", ratio=0.25, epochs=6, patience=2, batch_size=2)
    words = [str(script) if word.endswith("train/main.py") else word for word in command(flags, 2)]
    there = environment() | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(words, env=there, capture_output=True, text=True, timeout=250)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["steps"] == 16
    assert done.stderr.count("ended after step 16 of 24 by --patience 2") == 1
    assert "arning" not in done.stderr
