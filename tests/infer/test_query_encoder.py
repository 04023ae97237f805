"""Which encoder may ask an index, and its texts."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import CLIPModel

from index.errors import CueframeError
from index.models.long_texts import Text, TwoParts
from index.storage.store import read_profile, write_profile
from infer.query_encoder import encode_texts, load_query_encoder
from tests.fixtures_infer import TEXTS, text_vectors, world

CPU = torch.device("cpu")


def ask_with(model: Path | None, index: Path) -> str:
    name = None if model is None else str(model)
    profile = read_profile(index)
    return load_query_encoder(index, profile, model=name, dtype="float32", device=CPU).name


def altered(tmp_path: Path, part: str) -> Path:
    """The model with other weights in one part of it."""
    model = CLIPModel.from_pretrained(world().model)
    with torch.no_grad():
        model.state_dict()[f"{part}.weight"].add_(0.5)
    shutil.copytree(world().model, tmp_path / "altered")
    model.save_pretrained(tmp_path / "altered")
    return tmp_path / "altered"


def test_another_vision_side_is_refused_and_another_text_side_is_not(tmp_path: Path) -> None:
    here = world()
    assert ask_with(None, here.index) == str(here.model)
    text = altered(tmp_path / "text", "text_projection")
    assert ask_with(text, here.index) == str(text)
    vision = altered(tmp_path / "vision", "visual_projection")
    with pytest.raises(CueframeError, match=rf"vision side of {vision} is not.*--rebuild"):
        ask_with(vision, here.index)


def test_a_default_model_that_changed_is_refused(tmp_path: Path) -> None:
    here = world()
    vision = altered(tmp_path, "visual_projection")
    index = tmp_path / "index"
    index.mkdir()
    write_profile(index, read_profile(here.index).model_copy(update={"model": str(vision)}))
    with pytest.raises(CueframeError, match="no longer, the one that built"):
        ask_with(None, index)


def test_texts() -> None:
    here = world()
    profile = read_profile(here.index)
    encoder = load_query_encoder(here.index, profile, model=None, dtype="float32", device=CPU)
    long = "car " * 80
    found, too_long = encode_texts(encoder, [*TEXTS, long, TEXTS[0]], "truncate")
    vectors = np.concatenate(found)
    assert too_long.tolist() == [False, False, False, False, True, False]
    np.testing.assert_allclose(vectors[:4], text_vectors(here.model, TEXTS), atol=1e-5)
    assert (vectors[5] == vectors[0]).all()
    none, too_long = encode_texts(encoder, [], "windows")
    assert none == []
    assert too_long.shape == (0,)


def test_vectors_that_are_not_finite_are_refused() -> None:
    here = world()
    encoder = load_query_encoder(
        here.index, read_profile(here.index), model=None, dtype="float32", device=CPU
    )
    with torch.no_grad():
        module: Any = encoder.model.module
        module.text_projection.weight.fill_(float("inf"))
    with pytest.raises(CueframeError, match="no finite numbers in float32; fetch or save it"):
        encode_texts(encoder, ["car"], "windows")


def test_a_long_text_has_a_vector_for_each_window_and_a_choice_is_in_all_of_them() -> None:
    here = world()
    profile = read_profile(here.index)
    encoder = load_query_encoder(here.index, profile, model=None, dtype="float32", device=CPU)
    first, second = "car " * 20 + "passes.", "bus " * 20 + "stops."
    texts: list[Text] = [
        TEXTS[0],
        f"{first} {second}",
        TwoParts(f"{first} {second}", "red"),
        TwoParts("a", "b"),
    ]
    (short, long, choice, fits), too_long = encode_texts(encoder, texts, "windows")
    assert too_long.tolist() == [False, True, True, False]
    plain = text_vectors(here.model, [TEXTS[0], first, second, "red", "a b"])
    np.testing.assert_allclose(short, plain[:1], atol=1e-5)
    np.testing.assert_allclose(long, plain[1:3], atol=1e-5)
    np.testing.assert_allclose(fits, plain[4:], atol=1e-5)
    both = plain[1:3] + plain[3]
    both /= np.linalg.norm(both, axis=1, keepdims=True)
    np.testing.assert_allclose(choice, both, atol=1e-5)
