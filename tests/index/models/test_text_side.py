"""The text side alone gives the same vectors to the bit, and no vision side is there."""

from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

from index.models.encoder import Encoder, load_dual_model
from index.models.families import FAMILIES
from index.models.proof import text_fingerprint
from tests.model_families import FAMILIES as SMALL
from tests.model_families import make_family

TEXTS = ["a red truck", "where is the blue bus", "bus", "xe tải đỏ", "the car passes left"]


@pytest.mark.parametrize("family", SMALL)
def test_a_family(family: str, tmp_path: Path) -> None:
    package = FAMILIES[family].package
    if package and find_spec(package) is None:
        pytest.skip(f"{package} is not installed")
    folder = str(make_family(family, tmp_path / "model"))
    whole = load_dual_model(folder, None)
    part = load_dual_model(folder, None, text_only=True)
    kept = part.module.state_dict()
    wanted = {
        name: weight
        for name, weight in whole.module.state_dict().items()
        if whole.side_of(name) in ("text", "logits")
    }
    assert wanted
    assert wanted.keys() <= kept.keys()
    assert all(torch.equal(kept[name], weight) for name, weight in wanted.items())
    assert not any(part.side_of(name) == "vision" for name in kept)
    assert {part.side_of(name) for name in kept} <= {"text", "logits", "unused"}
    assert not any(tensor.is_meta for tensor in [*part.module.parameters(), *part.module.buffers()])
    buffers = dict(whole.module.named_buffers())
    assert all(torch.equal(buffers[name], own) for name, own in part.module.named_buffers())
    first, long = Encoder(whole).texts(TEXTS)
    second, long_too = Encoder(part).texts(TEXTS)
    assert (first == second).all()
    assert (long == long_too).all()
    assert part.scale == whole.scale
    assert text_fingerprint(part) == text_fingerprint(whole)
