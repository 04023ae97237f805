import json
import os
import random
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch

from index.errors import CueframeError
from tests.fixtures_train import (
    command,
    config,
    environment,
    forget_accelerate,
    metrics,
    refusal,
    started,
    trained,
    weights,
)
from train.checkpoint import (
    append_metrics,
    checkpoints,
    claim_folder,
    cut_metrics,
    read_metrics,
    refuse_taken,
)
from train.config import TrainConfig


class KilledError(Exception):
    pass


def killed_after(step: int, monkeypatch: pytest.MonkeyPatch, output: Path, **flags: Any) -> None:
    """Train until so many steps are in metrics.jsonl, then stop as a crash does."""

    def append(where: Path, line: dict[str, Any]) -> None:
        append_metrics(where, line)
        if line["step"] == step:
            raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr("train.training.append_metrics", append)
        with pytest.raises(KilledError):
            trained(output, **flags)
    forget_accelerate()


@pytest.mark.parametrize(
    ("flags", "steps"),
    [
        ({"save_every": 2}, (3, 4, 9)),  # in the first epoch, at a save, in the second epoch
        ({"save_every": 3, "loss_setting": 1, "ratio": 0.25}, (1, 4, 7)),  # before any checkpoint
    ],
)
def test_a_resumed_run_ends_where_an_uninterrupted_one_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flags: dict[str, Any], steps: tuple[int, ...]
) -> None:
    whole = trained(tmp_path / "whole", **flags)
    output = tmp_path / "out"
    for number, step in enumerate(steps):
        killed_after(step, monkeypatch, output, resume=number > 0, **flags)
    trained(output, resume=True, **flags)
    assert torch.equal(weights(output), weights(whole))
    assert metrics(output) == metrics(whole)


def test_resuming_a_run_that_is_over_changes_nothing(tmp_path: Path) -> None:
    output = trained(tmp_path / "out")
    before, lines = weights(output), metrics(output)
    trained(output, resume=True)
    assert torch.equal(weights(output), before)
    assert metrics(output) == lines


def test_the_last_checkpoints_are_kept_and_whole(tmp_path: Path) -> None:
    output = trained(tmp_path / "out", save_every=2, keep=3)
    names = [path.name for path in checkpoints(output)]
    assert names == ["step-00000006", "step-00000008", "step-00000010"]
    for folder in checkpoints(output):
        assert json.loads((folder / "progress.json").read_text())["step"] == int(folder.name[5:])
    assert not list((output / "checkpoints").glob(".*"))


def test_a_damaged_checkpoint_is_one_line(tmp_path: Path) -> None:
    output = trained(tmp_path / "out", epochs=1)
    last = checkpoints(output)[-1]
    progress = (last / "progress.json").read_bytes()
    for damage in (b"{", b"{}", b'{"step": -5}', b"[" * 100_000):
        (last / "progress.json").write_bytes(damage)
        line = refusal(output, epochs=1, resume=True)
        assert "step-00000005" in line
        assert "delete it" in line
    (last / "progress.json").write_bytes(progress)
    weights = last / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])
    assert "step-00000005 cannot be read" in refusal(output, epochs=1, resume=True)


def test_claim_and_refuse(tmp_path: Path) -> None:
    output = tmp_path / "out"
    refuse_taken(output)
    claim_folder(output, {"lr": 0.1, "processes": 2})
    claim_folder(output, {"lr": 0.1, "processes": 2})
    with pytest.raises(CueframeError, match="processes 2, not 1"):
        claim_folder(output, {"lr": 0.1, "processes": 1})
    with pytest.raises(CueframeError, match="--resume"):
        refuse_taken(output)
    other = tmp_path / "model"
    other.mkdir()
    (other / "config.json").write_text("{}")
    with pytest.raises(CueframeError, match="cannot be resumed"):
        claim_folder(other, {})
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "todo.txt").write_text("")
    refuse_taken(tmp_path / "notes")


def test_metrics_are_cut_at_a_step_with_a_torn_line(tmp_path: Path) -> None:
    cut_metrics(tmp_path, 0)
    for step in (1, 2, 3):
        append_metrics(tmp_path, {"step": step})
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"step": 4, "lo')
    cut_metrics(tmp_path, 2)
    assert list(read_metrics(tmp_path)) == [{"step": 1}, {"step": 2}]


@pytest.mark.parametrize("line", ["{", "[]", "{}", '{"step": "x"}', "\udcff"])
def test_a_line_that_is_no_metrics_is_named(tmp_path: Path, line: str) -> None:
    append_metrics(tmp_path, {"step": 1})
    with (tmp_path / "metrics.jsonl").open("ab") as file:
        file.write(line.encode(errors="surrogateescape") + b"\n")
    with pytest.raises(CueframeError, match=r"metrics\.jsonl: line 2 is not one of metrics; del"):
        list(read_metrics(tmp_path))


def kill_at_random(flags: TrainConfig, rng: random.Random, *, in_save: bool) -> None:
    """Train in a process of its own and kill it with -9, between steps or while it saves."""
    output = flags.output_path
    wanted = len(list(read_metrics(output))) + rng.randint(1, 3)
    process = subprocess.Popen(command(flags), env=environment(), stderr=subprocess.DEVNULL)
    while len(list(read_metrics(output))) < wanted:
        assert process.poll() is None
        time.sleep(0.005)
    if in_save:
        while not list(output.glob("checkpoints/.step-*")):
            assert process.poll() is None
            time.sleep(0.0005)
    time.sleep(rng.random() / (200 if in_save else 10))
    process.kill()
    assert process.wait() == -signal.SIGKILL


@pytest.mark.parametrize(("kills", "epochs"), [(2, 3), pytest.param(8, 8, marks=pytest.mark.slow)])
def test_killed_with_9_at_random_moments(tmp_path: Path, kills: int, epochs: int) -> None:
    often: dict[str, Any] = {"save_every": 1, "epochs": epochs}
    whole = trained(tmp_path / "whole", **often)
    rng = random.Random(os.getpid())
    output = tmp_path / "out"
    for number in range(kills):
        flags = config(output, resume=number > 0, **often)
        kill_at_random(flags, rng, in_save=number % 2 == 1)
    done = started(config(output, resume=True, **often))
    assert done.returncode == 0, done.stderr
    assert (weights(output) - weights(whole)).abs().max() <= 1e-6
    assert [line["step"] for line in metrics(output)] == list(range(1, 5 * epochs + 1))


@pytest.mark.slow
def test_two_processes_resume_to_the_bit(tmp_path: Path) -> None:
    flags: dict[str, Any] = {"batch_size": 2, "save_every": 2}
    whole, output = tmp_path / "whole", tmp_path / "out"
    assert started(config(whole, **flags), processes=2).returncode == 0
    process = subprocess.Popen(
        command(config(output, **flags), processes=2),
        env=environment(),
        stderr=subprocess.DEVNULL,
    )
    while len(list(read_metrics(output))) < 5:
        assert process.poll() is None
        time.sleep(0.01)
    workers = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    for worker in workers:
        worker.kill()
    process.wait()
    assert started(config(output, resume=True, **flags), processes=2).returncode == 0
    assert torch.equal(weights(output), weights(whole))
    assert "processes 2, not 1" in refusal(output, resume=True, **flags)
