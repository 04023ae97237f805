"""The ladder of encoders, from checkpoints as training writes them."""

import shutil
from pathlib import Path

import pytest
import torch
from accelerate import Accelerator
from safetensors.torch import load_file

from examples.picks.ladder import LadderConfig, ladder, make_ladder
from index.errors import CueframeError
from index.models.encoder import load_encoder
from tests.fixtures_train import forget_accelerate
from train.checkpoint import Progress, save
from train.model import DualEncoder, load_dual_model_to_train


@pytest.fixture
def run(tiny_model: Path, tmp_path: Path) -> Path:
    """The output folder of a training of five steps, each of which added 1 to the weights."""
    forget_accelerate()
    output = tmp_path / "trained"
    shutil.copytree(tiny_model, output)
    accelerator = Accelerator(cpu=True)
    model = accelerator.prepare(DualEncoder(load_dual_model_to_train(str(tiny_model), None)))
    for step in range(1, 6):
        with torch.no_grad():
            for weights in model.parameters():
                weights += 1
        save(accelerator, output, Progress(step=step), keep=9)
    forget_accelerate()
    return output


def test_a_rung_has_the_weights_of_its_step_and_is_a_model(
    run: Path, tiny_model: Path, tmp_path: Path
) -> None:
    assert make_ladder(run, tmp_path, (40, 100)) == {40: 2, 100: 5}
    before = load_file(tiny_model / "model.safetensors")
    for share, step in ((40, 2), (100, 5)):
        rung = load_file(tmp_path / str(share) / "model.safetensors")
        assert set(rung) == set(before)
        for name, tensor in rung.items():
            torch.testing.assert_close(tensor, before[name] + step, msg=name)
    encoder, _ = load_encoder(str(tmp_path / "40"), device=torch.device("cpu"))
    assert encoder.texts(["a red truck"])[0].shape == (1, 64)


def test_what_is_no_ladder_is_one_line(run: Path, tmp_path: Path) -> None:
    shutil.rmtree(run / "checkpoints" / "step-00000001")
    with pytest.raises(CueframeError, match=r"no checkpoint of step 1 \(25 % of the training\)"):
        make_ladder(run, tmp_path, (25,))
    shutil.rmtree(run / "checkpoints")
    with pytest.raises(CueframeError, match="has no checkpoints; name the --output_path"):
        ladder(LadderConfig(trained=run, folder=tmp_path))
