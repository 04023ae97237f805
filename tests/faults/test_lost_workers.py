"""A training whose workers find no room, die or hang ends with one line, and --resume goes on."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch

from tests.containers import in_a_container
from tests.fixtures_train import command, config, environment, refusal, trained, weights
from train import batches, read_ahead
from train.checkpoint import checkpoints, read_metrics

MANY: dict[str, Any] = {"batch_size": 1, "accumulation_steps": 1, "epochs": 2, "save_every": 3}
"""Epochs with many steps, so that workers are still at work after the first ones."""
LARGE: dict[str, Any] = {"batch_size": 8, "negatives_per_question": 5, "num_workers": 2}
"""Five batches of 48 pictures of 32 pixels, 0.7 MiB, and 1 MiB for locks."""
KILLED = (
    "error: a process that reads pictures was killed by signal 9, perhaps for want of memory; go "
    "on by --resume with --num_workers 0"
)


def in_room(room: str, output: Path, **flags: Any) -> "subprocess.CompletedProcess[str]":
    """Train in a container whose /dev/shm has that size."""
    return subprocess.run(
        in_a_container(room, *command(config(output, epochs=1, **flags))),
        env=environment(),
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_a_small_shared_memory_is_told_before_the_first_step(tmp_path: Path) -> None:
    output = tmp_path / "out"
    small = in_room("1m", output, **LARGE)
    assert (small.returncode, small.stdout) == (2, "")
    assert small.stderr == (
        "error: reading pictures ahead needs 2 MiB of /dev/shm, and 0 MiB are free; choose "
        "--num_workers 0, or enlarge it (docker run --shm-size 2m)\n"
    )
    assert not output.exists()


@pytest.mark.slow
def test_both_remedies_train_and_validate(tmp_path: Path) -> None:
    enlarged = in_room("2m", tmp_path / "enlarged", **LARGE | {"ratio": 0.25})
    without = in_room("4k", tmp_path / "without", **LARGE | {"num_workers": 0, "ratio": 0.25})
    one, other = (json.loads(done.stdout)["validation"] for done in (enlarged, without))
    assert one == other
    assert one


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> torch.Tensor:
    """The weights of a run of `MANY` that nothing befalls."""
    return weights(trained(tmp_path_factory.mktemp("whole") / "out", **MANY))


def begun(
    flags: list[str], output: Path, steps: int
) -> "tuple[subprocess.Popen[str], list[psutil.Process]]":
    """Start a training and wait for its first steps; returns it and the processes that train."""
    process = subprocess.Popen(flags, env=environment(), stderr=subprocess.PIPE, text=True)
    while len(list(read_metrics(output))) < steps:
        assert process.poll() is None
        time.sleep(0.01)
    started = psutil.Process(process.pid)
    ranks = [one for one in started.children() if "RANK" in one.environ()]
    return process, ranks or [started]


def test_a_killed_worker_ends_the_run_and_resume_is_equal_to_the_bit(
    tmp_path: Path, whole: torch.Tensor
) -> None:
    output = tmp_path / "out"
    flags = config(output, num_workers=2, **MANY)
    process, (leads,) = begun(command(flags), output, 4)
    os.kill(leads.children()[0].pid, signal.SIGKILL)
    _, said = process.communicate(timeout=60)
    assert (process.returncode, said.splitlines()[-1]) == (2, KILLED)
    assert "Traceback" not in said
    assert checkpoints(output)
    trained(output, resume=True, **MANY)
    assert torch.equal(weights(output), whole)


@pytest.mark.slow
def test_a_killed_worker_ends_all_processes(tmp_path: Path) -> None:
    output = tmp_path / "out"
    flags = config(output, num_workers=2, **MANY)
    process, ranks = begun(command(flags, processes=2), output, 4)
    os.kill(ranks[1].children()[0].pid, signal.SIGKILL)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert said.count(KILLED) == 1
    assert not any(rank.is_running() for rank in ranks)
    assert checkpoints(output)


@pytest.mark.slow
def test_a_shared_memory_that_others_fill_is_told(tmp_path: Path) -> None:
    output = tmp_path / "out"
    full = in_a_container("4m", *command(config(output, num_workers=2, **MANY | {"epochs": 9})))
    process, (leads,) = begun(full, output, 4)
    try:
        Path(f"/proc/{leads.pid}/root/dev/shm/other").write_bytes(bytes(2**23))
    except PermissionError as error:
        process.kill()
        pytest.skip(f"its /dev/shm is out of reach: {error}")
    except OSError:  # it is full
        pass
    _, said = process.communicate(timeout=60)
    last = said.splitlines()[-1]
    assert (process.returncode, "No space left on device" in last) == (2, True), said
    assert last.startswith(("error: the pictures read ahead find no room", "error: no process"))
    assert "Traceback" not in said
    assert checkpoints(output)


def test_a_disk_that_answers_no_more_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole: torch.Tensor
) -> None:
    output = tmp_path / "out"
    with monkeypatch.context() as patch:
        patch.setattr(read_ahead, "_GRACE_S", 1.0)
        patch.setattr(read_ahead, "_PICTURE_S", 0.0)
        patch.setattr("torch.utils.data._utils.MP_STATUS_CHECK_INTERVAL", 0.2)
        real = batches.pixels_of

        def hanging(items: Any, **how: Any) -> Any:
            if len(list(read_metrics(output))) > 4:
                time.sleep(60)
            return real(items, **how)

        patch.setattr(batches, "pixels_of", hanging)
        line = refusal(output, num_workers=1, **MANY)
    assert line.startswith("no pictures came in 1 s; look whether the disk of --image_path answers")
    trained(output, resume=True, **MANY)
    assert torch.equal(weights(output), whole)
