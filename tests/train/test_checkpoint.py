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
    with_paraphrases,
)
from train.checkpoint import (
    Progress,
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
        ({"save_every": 3, "loss_setting": 4, "view": "tiles", "json_path": "paraphrases"}, (4, 8)),
    ],
)
def test_a_resumed_run_ends_where_an_uninterrupted_one_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flags: dict[str, Any], steps: tuple[int, ...]
) -> None:
    if flags.get("json_path") == "paraphrases":
        flags = flags | {"json_path": with_paraphrases(tmp_path)}
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


def test_a_checkpoint_that_would_run_code_is_not_opened(tmp_path: Path) -> None:
    output = trained(tmp_path / "out", epochs=1)

    class Harmful:
        def __reduce__(self) -> Any:
            return os.system, (f"touch {tmp_path / 'it ran'}",)

    files = sorted(path.name for path in checkpoints(output)[-1].glob("*.[pb]*"))
    assert len(files) == 3
    for name in files:
        path = checkpoints(output)[-1] / name
        whole = path.read_bytes()
        torch.save({"state": Harmful()}, path)
        assert "step-00000005 cannot be read" in refusal(output, epochs=1, resume=True)
        path.write_bytes(whole)
    assert not (tmp_path / "it ran").exists()
    trained(output, epochs=1, resume=True)


def test_each_file_of_a_checkpoint_is_needed(tmp_path: Path) -> None:
    output = trained(tmp_path / "out", epochs=1)
    for path in checkpoints(output)[-1].iterdir():
        whole = path.read_bytes()
        for damaged in (None, b"", whole[: len(whole) // 2]):
            path.unlink()
            if damaged is not None:
                path.write_bytes(damaged)
            line = refusal(output, epochs=1, resume=True)
            assert "step-00000005 cannot be read" in line, path
            path.write_bytes(whole)
    trained(output, epochs=1, resume=True)


def test_what_has_another_name_is_no_checkpoint(tmp_path: Path) -> None:
    output = trained(tmp_path / "out", save_every=2)
    strange = [output / "checkpoints" / name for name in ("step-banana", "step-1", "notes")]
    for folder in strange:
        folder.mkdir()
    (output / "checkpoints" / "step-99999999").write_text("a file")
    trained(output, resume=True)
    assert all(folder.is_dir() for folder in strange)
    names = [path.name for path in checkpoints(output)]
    assert names == ["step-00000008", "step-00000010"]


def test_checkpoints_that_are_gone_are_not_trained_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = trained(tmp_path / "out")
    (output / "checkpoints").rename(tmp_path / "elsewhere")
    lines, before = metrics(output), weights(output)
    line = refusal(output, resume=True)
    assert line.startswith(f"{output} has metrics of 10 steps and no checkpoint to go on from; put")
    assert metrics(output) == lines
    assert torch.equal(weights(output), before)
    (tmp_path / "elsewhere").rename(output / "checkpoints")
    trained(output, resume=True)


def test_a_run_json_that_is_gone_or_no_json_is_one_line(tmp_path: Path) -> None:
    output = trained(tmp_path / "out", epochs=1)
    for damage in ("", "{", "[1]", "nan"):
        (output / "run.json").write_text(damage)
        assert "what made the run cannot be told" in refusal(output, epochs=1, resume=True)
    (output / "run.json").unlink()
    assert "has no run.json that tells" in refusal(output, epochs=1, resume=True)


FULL = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({0}, {0}))\n"


def with_files_up_to(size: int, flags: TrainConfig) -> "subprocess.CompletedProcess[str]":
    """Train in a process of its own that can write no larger file, as on a full disk."""
    words = command(flags)
    code = FULL.format(size) + "import runpy, sys\nsys.argv = sys.argv[1:]\n"
    code += "runpy.run_path(sys.argv[0], run_name='__main__')"
    return subprocess.run(
        [words[0], "-c", code, *words[1:]],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=250,
    )


def test_a_full_disk_leaves_the_last_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    often: dict[str, Any] = {"save_every": 2}
    whole = trained(tmp_path / "whole", **often)
    output = tmp_path / "out"
    killed_after(3, monkeypatch, output, **often)
    last = checkpoints(output)[-1].name
    for size in (100_000, 400_000):  # the weights, and the optimizer's state
        done = with_files_up_to(size, config(output, resume=True, **often))
        assert done.returncode == 2, done.stderr
        line = done.stderr.splitlines()[-1]
        assert line.startswith(f"error: {output / 'checkpoints'} cannot be written (")
        assert line.endswith("); make room and go on by --resume")
        assert "Traceback" not in done.stderr
        assert [path.name for path in (output / "checkpoints").iterdir()] == [last]
    trained(output, resume=True, **often)
    assert torch.equal(weights(output), weights(whole))
    assert metrics(output) == metrics(whole)


@pytest.mark.parametrize(
    "where",
    [
        "transformers.CLIPModel.save_pretrained",
        "transformers.CLIPProcessor.save_pretrained",
        "train.training.write_records",
        "train.finish.write_training_json",
        "train.loss_curve.Figure.savefig",
        "train.finish.write_card",
    ],
)
def test_every_writer_says_how_the_run_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    flags: dict[str, Any] = {"ratio": 0.25, "epochs": 1, "loss_setting": 1}
    whole, output = trained(tmp_path / "whole", **flags), tmp_path / "out"
    with monkeypatch.context() as patch:

        def full(*_: Any, **__: Any) -> None:
            raise OSError(28, "No space left on device")

        patch.setattr(where, full)
        line = refusal(output, **flags)
    assert "No space left on device" in line
    assert str(output) in line
    assert line.endswith("; make room and go on by --resume")
    trained(output, resume=True, **flags)
    assert torch.equal(weights(output), weights(whole))
    assert metrics(output) == metrics(whole)
    names = {path.name for path in whole.iterdir()}
    assert {path.name for path in output.iterdir()} == names


def test_metrics_on_a_full_disk(tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").symlink_to("/dev/full")
    with pytest.raises(CueframeError, match=r"No space left on device\); make room and go on by -"):
        append_metrics(tmp_path, {"step": 1})


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
    cut_metrics(tmp_path, Progress())
    for step in (1, 2, 3):
        append_metrics(tmp_path, {"step": step})
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"step": 4, "lo')
    cut_metrics(tmp_path, Progress(step=2))
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
