"""Training needs no shared memory for its pictures, and what it kept of them may break or go."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import torch

from index.errors import CueframeError
from tests.containers import in_a_container
from tests.fixtures_train import command, config, environment, refusal, trained, weights
from train.checkpoint import checkpoints

SMALL: dict[str, Any] = {"batch_size": 4, "accumulation_steps": 1, "epochs": 2, "ratio": 0.25}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> torch.Tensor:
    """The weights of a run of `SMALL` that nothing befalls."""
    return weights(trained(tmp_path_factory.mktemp("whole") / "out", **SMALL))


def test_a_container_without_shared_memory_trains(tmp_path: Path) -> None:
    flags = config(tmp_path / "out", num_workers=2, pictures=tmp_path / "pictures", **SMALL)
    done = subprocess.run(
        in_a_container("4k", *command(flags)),
        env=environment(),
        capture_output=True,
        text=True,
        timeout=250,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["validation"]


@pytest.mark.parametrize("damage", ["changed", "cut off", "deleted"])
def test_what_breaks_is_prepared_anew_and_resume_is_equal_to_the_bit(
    tmp_path: Path, whole: torch.Tensor, damage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    output, pictures = tmp_path / "out", tmp_path / "pictures"
    flags: dict[str, Any] = SMALL | {"pictures": pictures, "num_workers": 2}

    def stop(*_: Any, **__: Any) -> None:
        raise CueframeError("stopped before the first validation")

    with monkeypatch.context() as patch:
        patch.setattr("train.training._validate", stop)
        assert "stopped" in refusal(output, **flags)
    assert checkpoints(output)
    for pixels in pictures.glob("*/*.pixels"):
        if damage == "changed":
            pixels.write_bytes(bytes(pixels.stat().st_size))
        elif damage == "cut off":
            pixels.write_bytes(pixels.read_bytes()[:-1])
    if damage == "changed":
        line = refusal(output, resume=True, **flags)
        assert "is damaged; delete it, and run again (training: with --resume)" in line
    if damage != "cut off":
        shutil.rmtree(pictures)
    trained(output, resume=True, **flags)
    assert torch.equal(weights(output), whole)


def test_a_folder_that_cannot_be_written_is_one_line_and_one_that_is_whole_is_read(
    tmp_path: Path, whole: torch.Tensor
) -> None:
    (tmp_path / "file").write_text("no folder")
    line = refusal(tmp_path / "out", pictures=tmp_path / "file", **SMALL)
    assert line.endswith("make room or rights, or name another folder by --pictures")
    assert not (tmp_path / "out").exists()
    long = refusal(tmp_path / "out", pictures=tmp_path / ("n" * 3000), **SMALL)
    assert "File name too long" in long
    trained(tmp_path / "first", **SMALL | {"pictures": tmp_path / "pictures"})
    made = sorted((tmp_path / "pictures").rglob("*"))
    trained(tmp_path / "second", **SMALL | {"pictures": tmp_path / "pictures"})
    assert sorted((tmp_path / "pictures").rglob("*")) == made  # not even a line more
    assert torch.equal(weights(tmp_path / "second"), whole)
