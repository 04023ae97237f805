"""Signals end a training with a checkpoint, and --resume ends where an uninterrupted run does."""

import errno
import importlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch

from index.errors import CueframeError
from index.storage.lock import locked
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
from train.checkpoint import append_metrics, checkpoints, read_metrics
from train.config import TrainConfig
from train.preemption import Stopped, preemptible
from train.training import train_or_test

CODES = {signal.SIGTERM: 143, signal.SIGINT: 130}


def signalled(
    monkeypatch: pytest.MonkeyPatch,
    where: str,
    when: Callable[..., bool],
    flags: TrainConfig,
    number: signal.Signals = signal.SIGTERM,
) -> int:
    """Train in this process, with a signal where a function is called; return the exit code."""
    forget_accelerate()
    module, _, name = where.rpartition(".")
    real = getattr(importlib.import_module(module), name)

    def patched(*args: Any, **more: Any) -> Any:
        result = real(*args, **more)
        if when(*args):
            os.kill(os.getpid(), number)
        return result

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with monkeypatch.context() as patch:
            patch.setattr(where, patched)
            return train_or_test(flags)
    finally:
        torch.set_num_threads(threads)
        forget_accelerate()


def at_step(step: int) -> Callable[..., bool]:
    return lambda _output, line: "loss" in line and line["step"] == step


@pytest.mark.parametrize("number", CODES)
def test_a_signal_saves_the_step_at_hand_and_resume_is_equal_to_the_bit(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    number: signal.Signals,
) -> None:
    whole, output = trained(tmp_path / "whole"), tmp_path / "out"
    before = [signal.getsignal(known) for known in CODES]
    for step in (2, 5, 7):  # in an epoch, at its end, in the next
        capsys.readouterr()
        flags = config(output, resume=step > 2)
        code = signalled(monkeypatch, "train.training.append_metrics", at_step(step), flags, number)
        assert code == CODES[number]
        assert checkpoints(output)[-1].name == f"step-{step:08d}"
        last = capsys.readouterr().err.splitlines()[-1]
        assert last == f"stopped after step {step} of 10 by {number.name}; --resume goes on"
    assert [signal.getsignal(known) for known in CODES] == before
    trained(output, resume=True)
    assert torch.equal(weights(output), weights(whole))
    assert metrics(output) == metrics(whole)


@pytest.mark.parametrize(
    "where",
    [
        "train.training.validate",
        pytest.param("train.training.print_validation", marks=pytest.mark.slow),
        "train.training.save_model",
        pytest.param("train.training.write_records", marks=pytest.mark.slow),
        "train.checkpoint._sync",
        "train.finish.write_card",
    ],
)
def test_a_signal_in_validation_or_saving_loses_no_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    often = {"ratio": 0.25, "save_every": 2, "loss_setting": 1}
    whole, output = trained(tmp_path / "whole", **often), tmp_path / "out"
    flags = config(output, **often)
    assert signalled(monkeypatch, where, lambda *_: True, flags) == 143
    steps = [line["step"] for line in metrics(output) if "loss" in line]
    assert checkpoints(output)[-1].name == f"step-{steps[-1]:08d}"
    trained(output, resume=True, **often)
    assert torch.equal(weights(output), weights(whole))
    assert metrics(output) == metrics(whole)
    assert (output / "validation.jsonl").read_bytes() == (whole / "validation.jsonl").read_bytes()


def test_a_signal_before_the_first_step_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = config(tmp_path / "out")
    assert signalled(monkeypatch, "train.inputs.split_data", lambda *_: True, flags) == 143
    said = capsys.readouterr()
    assert said.err == "stopped before the first step by SIGTERM; call it again\n"
    assert said.out == ""
    assert not (tmp_path / "out").exists()


def test_signals_are_left_alone_outside_the_main_thread() -> None:
    found = []

    def look() -> None:
        with preemptible():
            found.append(signal.getsignal(signal.SIGTERM))

    before = signal.getsignal(signal.SIGTERM)
    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert found == [before]


def test_a_signal_that_is_passed_on_twice_counts_once() -> None:
    reached = []

    def step() -> None:
        with preemptible() as stop, stop.noted():
            os.kill(os.getpid(), signal.SIGTERM)
            os.kill(os.getpid(), signal.SIGINT)
            reached.append("the end of the step")

    with pytest.raises(Stopped) as stopped:
        step()
    assert (str(stopped.value), stopped.value.code) == ("SIGTERM", 143)
    assert reached


def test_a_second_signal_ends_at_once() -> None:
    code = (
        "import os, signal, time\n"
        "from train.preemption import preemptible\n"
        "with preemptible() as stop, stop.noted():\n"
        "    print('ready', flush=True)\n"
        "    while True: time.sleep(0.01)\n"
    )
    process = subprocess.Popen(
        [command(config(Path("none")))[0], "-c", code],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout
    assert process.stdout.readline() == b"ready\n"
    process.send_signal(signal.SIGTERM)
    time.sleep(1.5)
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=30)
    assert (process.returncode, said) == (-signal.SIGTERM, b"")


def test_a_whole_group_may_be_signalled_while_a_thread_gathers_pictures(tmp_path: Path) -> None:
    output = tmp_path / "out"
    flags = config(output, num_workers=2, epochs=50)
    process = subprocess.Popen(
        command(flags), env=environment(), stderr=subprocess.PIPE, start_new_session=True
    )
    wait_for_steps(process, output, 3)
    os.killpg(process.pid, signal.SIGTERM)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 143, said
    step = len(list(read_metrics(output)))
    assert said.splitlines()[-1].decode().startswith(f"stopped after step {step} of 250 by SIGTERM")
    assert checkpoints(output)[-1].name == f"step-{step:08d}"


def wait_for_steps(process: "subprocess.Popen[bytes]", output: Path, steps: int) -> None:
    while len(list(read_metrics(output))) < steps:
        assert process.poll() is None
        time.sleep(0.02)


@pytest.mark.parametrize(
    "to", ["torchrun", pytest.param("each process", marks=pytest.mark.slow), "one process"]
)
def test_two_processes_agree(tmp_path: Path, to: str) -> None:
    flags: dict[str, Any] = {"batch_size": 2}
    whole, output = tmp_path / "whole", tmp_path / "out"
    process = subprocess.Popen(
        command(config(output, **flags), processes=2), env=environment(), stderr=subprocess.PIPE
    )
    wait_for_steps(process, output, 3)
    children = psutil.Process(process.pid).children()
    for one in {
        "torchrun": [psutil.Process(process.pid)],
        "each process": children,
        "one process": children[1:],
    }[to]:
        one.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=120)
    assert process.returncode, said
    step = len(list(read_metrics(output)))
    assert f"stopped after step {step} of 10 by SIGTERM; --resume goes on" in said.decode()
    assert checkpoints(output)[-1].name == f"step-{step:08d}"
    if to == "torchrun":
        assert started(config(output, resume=True, **flags), processes=2).returncode == 0
        assert started(config(whole, **flags), processes=2).returncode == 0
        assert torch.equal(weights(output), weights(whole))


@pytest.mark.parametrize("resume", [False, True])
def test_a_second_training_on_one_output_is_refused(tmp_path: Path, resume: bool) -> None:
    output = tmp_path / "out"
    if resume:
        trained(output, epochs=1)
    there = {path: path.read_bytes() for path in output.rglob("*") if path.is_file()}
    with locked(output, "--output_path"):
        line = refusal(output, epochs=1, resume=resume)
    assert line == (
        f"another run is writing {output}; wait for its end, or name another with --output_path"
    )
    now = {path: path.read_bytes() for path in output.rglob("*") if path.is_file()}
    assert now == there | {output / ".lock": b""}


def test_a_disk_without_locks_is_named_and_passed_over_with_no_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(file: object, how: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", refuse)
    line = refusal(tmp_path / "out", epochs=1)
    assert line.startswith(f"{tmp_path}/out cannot be locked (No locks available)")
    assert "--no-lock" in line
    assert weights(trained(tmp_path / "out", epochs=1, no_lock=True)).isfinite().all()


def test_a_second_training_is_refused_while_the_first_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = []

    def append(output: Path, line: dict[str, Any]) -> None:
        append_metrics(output, line)
        if line["step"] == 3:
            with pytest.raises(CueframeError, match="another run is writing"), locked(output, "-"):
                pass
            done.append(True)

    monkeypatch.setattr("train.training.append_metrics", append)
    trained(tmp_path / "out", epochs=1)
    assert done == [True]
