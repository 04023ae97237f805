"""A SigLIP after training: its scale and bias are what transformers computes probabilities with."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoProcessor, SiglipModel

from index.models.encoder import load_encoder
from tests.fixtures_train import metrics, trained
from tests.model_families import make_family

SCALE, BIAS = 117.33, -12.93
"""Those of google/siglip-base-patch16-224."""


def loaded(folder: Path) -> Any:
    return SiglipModel.from_pretrained(folder)


def siglip(folder: Path) -> Path:
    model = loaded(make_family("siglip", folder))
    with torch.no_grad():
        model.logit_scale.fill_(math.log(SCALE))
        model.logit_bias.fill_(BIAS)
    model.save_pretrained(folder)
    return folder


@pytest.mark.parametrize("loss_setting", [3, 4])
def test_scale_and_bias_of_a_siglip_after_20_steps(tmp_path: Path, loss_setting: int) -> None:
    start = siglip(tmp_path / "siglip")
    output = trained(
        tmp_path / "out", model=str(start), loss_setting=loss_setting, epochs=4, lr=1e-4
    )
    steps = metrics(output)
    assert len(steps) == 20
    before, after = loaded(start), loaded(output)
    scale, bias = after.logit_scale.exp().item(), after.logit_bias.item()
    assert scale == pytest.approx(steps[-1]["scale"], rel=1e-5)
    assert scale == pytest.approx(SCALE, rel=20 * 1e-4)  # not cut
    assert steps[0]["bias"] == pytest.approx(BIAS, abs=1e-3)  # nor computed anew
    if loss_setting == 3:
        assert torch.equal(after.logit_bias, before.logit_bias)
    else:
        assert bias == steps[-1]["bias"] != pytest.approx(BIAS, abs=1e-6)
    # transformers' own probabilities are those of our vectors with this scale and bias.
    texts = ["a red truck passes", "what is shown?"]
    side = after.config.vision_config.image_size
    squares = np.random.default_rng(0).integers(256, size=(3, side, side, 3), dtype=np.uint8)
    processor = AutoProcessor.from_pretrained(output)
    inputs = processor(
        text=texts, images=[*squares], padding="max_length", truncation=True, return_tensors="pt"
    )
    with torch.no_grad():
        theirs = torch.sigmoid(after(**inputs).logits_per_image)
    encoder, _ = load_encoder(str(output), device=torch.device("cpu"))
    text = torch.from_numpy(encoder.texts(texts)[0]).float()
    ours = torch.sigmoid(scale * encoder.images(squares) @ text.T + bias)
    torch.testing.assert_close(theirs, ours, rtol=1e-3, atol=1e-6)


def test_another_model_starts_where_the_mean_probability_is_the_share_of_true_pairs(
    tmp_path: Path,
) -> None:
    output = trained(tmp_path / "out", loss_setting=4, epochs=1, accumulation_steps=8, batch_size=4)
    first = metrics(output)[0]
    assert first["bias"] < 0
    # At that bias each of the pairs is as likely as it is frequent, so the loss of a question is
    # about what a coin of that share gives; at a bias of 0 it would be the number of frames times
    # a scale of 100.
    frames = first["positives"] + first["negatives"]
    assert 0 < first["loss"] < 2 * (math.log(frames) + 1)
    assert json.loads((output / "training.json").read_text())["configuration"]["loss_setting"] == 4
