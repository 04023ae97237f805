"""The adapter that is written beside a model: peft loads it, onto what the run started from."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from index.errors import CueframeError
from index.models.dual_model import DualModel
from index.models.encoder import load_dual_model
from tests.fixtures_train import trained, world
from tests.model_families import make_family
from tests.train.test_lora import TEXTS, changed, folder_of
from train.losses.base import load_loss
from train.model import DualEncoder, choose_what_learns, load_dual_model_to_train

peft = pytest.importorskip("peft", reason="it is not installed")
pytestmark = pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing:FutureWarning")  # peft's


def vectors(dual: DualModel) -> torch.Tensor:
    """Of two texts and two pictures."""
    dual.module.eval()
    size = (2, 3, dual.transform.height, dual.transform.width)
    pixels = torch.randint(256, size, generator=torch.Generator().manual_seed(1)).byte()
    with torch.inference_mode():
        return torch.cat([dual.text_vectors(dual.tokens(TEXTS)), dual.image_vectors(pixels)])


def model_of(kind: str, folder: Path) -> Path:
    return make_family(kind[7:], folder) if kind.startswith("family ") else folder_of(kind, folder)


@pytest.mark.parametrize("kind", ["transformers", "family siglip", "family groupvit", "open_clip"])
def test_peft_gives_the_vectors_of_the_saved_model(kind: str, tmp_path: Path) -> None:
    folder = model_of(kind, tmp_path / "model")
    model = DualEncoder(load_dual_model_to_train(str(folder), None))
    choose_what_learns(model, "all", load_loss(3))
    model.add_lora(3, 12, save_adapter=True)
    changed(model).save(tmp_path / "saved")
    saved = load_dual_model(str(tmp_path / "saved"), None)

    base = load_dual_model(str(folder), None)
    before = vectors(base)
    base.module = peft.PeftModel.from_pretrained(base.module, tmp_path / "saved" / "adapter")
    assert torch.allclose(vectors(base), vectors(saved), atol=1e-5)
    assert not torch.allclose(vectors(saved), before, atol=1e-2)

    settings = json.loads((tmp_path / "saved" / "adapter" / "adapter_config.json").read_text())
    assert (settings["r"], settings["lora_alpha"]) == (3, 12)
    assert settings["base_model_name_or_path"] is None
    assert str(tmp_path) not in json.dumps(settings)


def test_bare_projections_stay_as_they_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = DualEncoder(load_dual_model_to_train(str(folder_of("open_clip", tmp_path / "m")), None))
    choose_what_learns(model, "all", load_loss(3))
    model.add_lora(3, save_adapter=True)
    assert "with --save_adapter text_projection, visual.proj do not learn" in " ".join(
        sorted(capsys.readouterr().err.split("\n"))
    ).replace("visual.proj, text_projection", "text_projection, visual.proj")


@pytest.mark.parametrize("kind", ["text", "distilled"])
def test_a_model_of_another_library_is_refused(kind: str, tmp_path: Path) -> None:
    folder = folder_of(kind, tmp_path / "model")
    model = DualEncoder(load_dual_model_to_train(str(folder), None))
    choose_what_learns(model, "text", load_loss(3))
    with pytest.raises(CueframeError, match="onto which peft does not load an adapter"):
        model.add_lora(3, save_adapter=True)


def test_training_writes_it_beside_the_model(tmp_path: Path) -> None:
    output = trained(tmp_path / "out", lora_rank=4, save_adapter=True, epochs=1)
    tensors = load_file(output / "adapter" / "adapter_model.safetensors")
    kinds = {"lora_A", "lora_B", "text_projection", "visual_projection"}
    assert {name.split(".")[-2] for name in tensors} == kinds
    base = load_dual_model(str(world().model), None)
    peft.PeftModel.from_pretrained(base.module, output / "adapter")
    assert torch.allclose(vectors(base), vectors(load_dual_model(str(output), None)), atol=1e-5)
    plain = trained(tmp_path / "plain", lora_rank=4, epochs=1)
    assert not (plain / "adapter").exists()
