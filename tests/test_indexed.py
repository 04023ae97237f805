"""Which video a path means, and which encoder may ask."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import CLIPModel

from index.errors import CueframeError, VideoError
from index.store import read_profile
from infer.indexed import encode_texts, find_indexed, load_asking_encoder, read_library
from tests.fixtures_infer import TEXTS, text_vectors, world

CPU = torch.device("cpu")


def ask_with(model: Path | None, index: Path) -> str:
    name = None if model is None else str(model)
    profile = read_profile(index)
    return load_asking_encoder(index, profile, model=name, dtype="float32", device=CPU).name


def altered(tmp_path: Path, part: str) -> Path:
    """The model with other weights in one part of it."""
    model = CLIPModel.from_pretrained(world().model)
    with torch.no_grad():
        model.state_dict()[f"{part}.weight"].add_(0.5)
    shutil.copytree(world().model, tmp_path / "altered")
    model.save_pretrained(tmp_path / "altered")
    return tmp_path / "altered"


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("b_frames.mp4", "b_frames.mp4"),
        ("somewhere\\else\\b_frames.mp4", "b_frames.mp4"),
        ("train/x/same.mp4", "x/same.mp4"),
        ("y/same.mp4", "y/same.mp4"),
        ("constant.mp4", "a/constant.mp4"),  # one content under two paths
        ("b/constant.mp4", "b/constant.mp4"),
    ],
)
def test_longest_common_tail(asked: str, found: str) -> None:
    here = world()
    path, video = find_indexed(read_library(here.index), asked)
    assert path == str(here.videos / found)
    assert video.status == "indexed"


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        ("absent.mp4", r"absent\.mp4 is not in the index"),
        ("same.mp4", r"may mean 2 different videos: .*x/same\.mp4, .*y/same\.mp4; give more"),
        ("bad.mp4", r"bad\.mp4 could not be indexed: cannot be opened as a video"),
    ],
)
def test_no_such_video(asked: str, reason: str) -> None:
    library = read_library(world().index)
    with pytest.raises(VideoError, match=reason):
        find_indexed(library, asked)


def test_catalog_missing_or_damaged(tmp_path: Path) -> None:
    with pytest.raises(CueframeError, match=r"catalog\.sqlite is missing; .*--repair"):
        read_library(tmp_path)
    data = (world().index / "catalog.sqlite").read_bytes()
    for kept in (data[: len(data) // 2], b"x" * 5000):
        (tmp_path / "catalog.sqlite").write_bytes(kept)
        with pytest.raises(CueframeError, match=r"catalog\.sqlite cannot be read .*--repair"):
            read_library(tmp_path)


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
    profile = (here.index / "profile.json").read_text()
    (index / "profile.json").write_text(profile.replace(str(here.model), str(vision)))
    with pytest.raises(CueframeError, match="no longer, the one that built"):
        ask_with(None, index)


def test_texts() -> None:
    here = world()
    profile = read_profile(here.index)
    encoder = load_asking_encoder(here.index, profile, model=None, dtype="float32", device=CPU)
    long = "car " * 80
    vectors, too_long = encode_texts(encoder, [*TEXTS, long, TEXTS[0]])
    assert too_long.tolist() == [False, False, False, False, True, False]
    np.testing.assert_allclose(vectors[:4], text_vectors(here.model, TEXTS), atol=1e-5)
    assert (vectors[5] == vectors[0]).all()
    none, too_long = encode_texts(encoder, [])
    assert none.shape == (0, profile.width)
    assert too_long.shape == (0,)


def test_vectors_that_are_not_finite_are_refused() -> None:
    here = world()
    encoder = load_asking_encoder(
        here.index, read_profile(here.index), model=None, dtype="float32", device=CPU
    )
    with torch.no_grad():
        encoder._model.text_projection.weight.fill_(float("inf"))
    with pytest.raises(CueframeError, match="not finite in float32; choose --dtype"):
        encode_texts(encoder, ["car"])
