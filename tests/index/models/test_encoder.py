"""Vectors equal those of the model itself; the fingerprint tells vision sides apart."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import xxhash
from safetensors.torch import load_file, save_file
from transformers import (
    AutoModel,
    AutoTokenizer,
    CLIPImageProcessorPil,
    SiglipConfig,
    SiglipImageProcessorPil,
    SiglipModel,
)

from index.errors import CueframeError
from index.models.encoder import Encoder, load_encoder
from index.models.preprocess import ViewMode
from tests.index.models.test_preprocess import noise
from tests.model_families import word_tokens
from tests.videos import draw

CPU = torch.device("cpu")
WORDS = "a an the red blue green truck bus car passes left right of on where is".split()
TEXTS = [
    "a red truck",
    "where is the blue bus",
    "a red truck",
    "the car passes left of the green truck on the right",
    "bus",
    "where is the blue bus",
]
IMAGES = [noise((320, 180)), noise((64, 64)), noise((90, 200)), draw(77, 321, 241)]
LONG = "the red truck passes " * 40


@pytest.fixture(scope="session")
def tiny_siglip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of an untrained SigLIP that knows a few words."""
    folder = tmp_path_factory.mktemp("model") / "tiny-siglip"
    tower = {
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
    }
    config = SiglipConfig(
        text_config={
            **tower,
            "vocab_size": len(word_tokens(WORDS)),
            "max_position_embeddings": 16,
            "pad_token_id": 0,
            "eos_token_id": 1,
            "bos_token_id": 1,
        },
        vision_config={**tower, "image_size": 48, "patch_size": 8},
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        SiglipModel(config).save_pretrained(folder)
    SiglipImageProcessorPil(size={"height": 48, "width": 48}).save_pretrained(folder)
    word_tokens(WORDS).save_pretrained(folder)
    return folder


@pytest.fixture(params=["tiny_model", "tiny_siglip"])
def folder(request: pytest.FixtureRequest) -> Path:
    path: Path = request.getfixturevalue(request.param)
    return path


def load(folder: Path, **flags: Any) -> Any:
    return load_encoder(str(folder), device=CPU, **flags)[0]


def fingerprint(folder: Path, **flags: Any) -> str:
    return load_encoder(str(folder), device=CPU, **flags)[1]


def cosines(mine: np.ndarray, theirs: torch.Tensor) -> np.ndarray:
    other = (theirs / theirs.norm(dim=-1, keepdim=True)).numpy()
    found: np.ndarray = (mine * other).sum(axis=1)
    return found


def squares(encoder: Encoder) -> np.ndarray:
    return np.stack([encoder.transform.apply(image) for image in IMAGES])


@torch.no_grad()
def test_image_vectors_equal_the_models_with_its_own_processor(folder: Path) -> None:
    encoder = load(folder)
    mine = encoder.images(squares(encoder))
    processor = (
        SiglipImageProcessorPil if "siglip" in folder.name else CLIPImageProcessorPil
    ).from_pretrained(folder)
    model = AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
    theirs = model.get_image_features(**processor(IMAGES, return_tensors="pt")).pooler_output
    assert mine.dtype == torch.float32
    assert mine.shape == (len(IMAGES), encoder.width)
    assert cosines(mine.numpy(), theirs) == pytest.approx(np.ones(len(IMAGES)), abs=1e-6)
    assert mine.norm(dim=1).numpy() == pytest.approx(np.ones(len(IMAGES)), abs=1e-6)
    others = mine @ mine.T  # the pictures themselves are told apart
    assert others.fill_diagonal_(0).max() < 0.9999


@torch.no_grad()
def test_text_vectors_equal_the_models_in_the_texts_order(folder: Path) -> None:
    encoder = load(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
    padding = "max_length" if "siglip" in folder.name else True
    for batch_size in (256, 2, 1):
        mine, too_long = encoder.texts(TEXTS, batch_size)
        for text, vector in zip(TEXTS, mine, strict=True):
            tokens = tokenizer([text], padding=padding, return_tensors="pt")
            theirs = model.get_text_features(**tokens).pooler_output
            assert cosines(vector[None], theirs) == pytest.approx(1, abs=1e-6)
        assert not too_long.any()
    assert (mine[0] == mine[2]).all()
    assert mine[0] @ mine[1] < 0.9999


def test_equal_texts_are_encoded_once(folder: Path) -> None:
    encoder = load(folder)
    encoded = []
    inner = encoder.model.module.get_text_features

    def counted(**tokens: Any) -> Any:
        encoded.append(len(tokens["input_ids"]))
        return inner(**tokens)

    encoder.model.module.get_text_features = counted
    vectors, _ = encoder.texts(TEXTS * 5, 3)
    assert sum(encoded) == len(set(TEXTS)) == 4
    assert max(encoded) <= 3
    assert (vectors[: len(TEXTS)] == vectors[-len(TEXTS) :]).all()


def test_texts_longer_than_the_model_reads_are_told(folder: Path) -> None:
    encoder = load(folder)
    room = encoder.max_tokens - (1 if "siglip" in folder.name else 2)  # END, or START and END
    fits, over = " ".join(["bus"] * room), " ".join(["bus"] * (room + 1))
    per_word = len(encoder.model.tokenizer("bus bus")["input_ids"]) - len(
        encoder.model.tokenizer("bus")["input_ids"]
    )
    texts = ["a bus", LONG, "a car", LONG]
    if per_word == 1:
        texts += [fits, over]
    vectors, too_long = encoder.texts(texts)
    assert too_long.tolist() == [False, True, False, True, False, True][: len(texts)]
    assert (vectors[1] == vectors[3]).all()
    assert np.isfinite(vectors).all()


def test_its_sizes_are_the_models(tiny_model: Path, tiny_siglip: Path) -> None:
    clip, siglip = load(tiny_model), load(tiny_siglip)
    assert (clip.width, clip.max_tokens, clip.dtype) == (64, 77, "float32")
    assert (siglip.width, siglip.max_tokens, siglip.dtype) == (32, 16, "float32")
    assert (clip.transform.mode, clip.transform.height) == ("center", 64)
    assert (siglip.transform.mode, siglip.transform.height) == ("stretch", 48)
    assert load(tiny_model, view="pad").transform.mode == "pad"
    assert load(tiny_model, dtype="bfloat16").dtype == "bfloat16"


def test_the_scale_is_the_models_own(tiny_model: Path, tiny_siglip: Path) -> None:
    for folder in (tiny_model, tiny_siglip):
        encoder = load(folder)
        learned = load_file(folder / "model.safetensors")["logit_scale"].item()
        assert encoder.scale == pytest.approx(np.exp(learned))
        encoder.model.module.logit_scale.data.fill_(np.log(20.0))
        assert encoder.scale == pytest.approx(20.0)
        del encoder.model.module.logit_scale
        assert encoder.scale == 100.0
        assert load(folder, dtype="bfloat16").scale == pytest.approx(np.exp(learned), rel=0.01)


def test_another_dtype_gives_nearly_the_same_vectors(folder: Path) -> None:
    exact = load(folder)
    near = load(folder, dtype="bfloat16")
    images = near.images(squares(near))
    assert images.dtype == torch.float32
    assert cosines(exact.images(squares(exact)).numpy(), images).min() > 0.999
    assert cosines(exact.texts(TEXTS)[0], torch.from_numpy(near.texts(TEXTS)[0])).min() > 0.999
    assert fingerprint(folder) == fingerprint(folder, dtype="bfloat16")


Weights = dict[str, torch.Tensor]


@pytest.fixture
def altered(tiny_model: Path, tmp_path: Path) -> Callable[..., Path]:
    """A copy of the tiny CLIP with other weights, in half precision at first."""

    def copy(name: str, change: Callable[[Weights], Weights] = lambda weights: weights) -> Path:
        target = tmp_path / name
        shutil.copytree(tiny_model, target)
        path = target / "model.safetensors"
        weights = {key: value.half().float() for key, value in load_file(path).items()}
        save_file(change(weights), path, metadata={"format": "pt"})
        return target

    return copy


def add_to(*keys: str) -> Callable[[Weights], Weights]:
    def change(weights: Weights) -> Weights:
        for key in keys:
            weights[key].view(-1)[0].add_(0.25)
        return weights

    return change


def test_the_fingerprint_is_of_the_vision_side_alone(altered: Callable[..., Path]) -> None:
    base = altered("base")
    own = fingerprint(base)
    weights = load_file(base / "model.safetensors")
    text = [key for key in weights if key.startswith("text_")]
    assert "text_projection.weight" in text
    assert fingerprint(altered("text", add_to(*text, "logit_scale"))) == own
    for place, key in enumerate(
        (
            "visual_projection.weight",
            "vision_model.post_layernorm.bias",
            "vision_model.embeddings.class_embedding",
            "vision_model.encoder.layers.2.self_attn.v_proj.weight",
        )
    ):
        assert fingerprint(altered(f"vision-{place}", add_to(key))) != own


def test_the_same_weights_stored_in_half_precision_are_the_same(
    altered: Callable[..., Path],
) -> None:
    def halve(weights: Weights) -> Weights:
        return {key: value.half() for key, value in weights.items()}

    half = altered("half", halve)
    config = json.loads((half / "config.json").read_text())
    (half / "config.json").write_text(json.dumps({**config, "dtype": "float16"}))
    assert fingerprint(half) == fingerprint(altered("base"))
    assert load(half).dtype == "float32"


def test_effective_preprocessing_values_count_and_not_their_text(
    altered: Callable[..., Path],
) -> None:
    base = altered("base")
    own = fingerprint(base)
    written = json.loads((base / "processor_config.json").read_text())["image_processor"]

    def with_processor(name: str, values: dict[str, Any]) -> str:
        folder = altered(name)
        (folder / "processor_config.json").unlink()
        (folder / "preprocessor_config.json").write_text(json.dumps(values))
        return fingerprint(folder)

    old = {"feature_extractor_type": "CLIPFeatureExtractor", "size": 64, "crop_size": 64}
    assert with_processor("old", old) == own
    assert with_processor("same", written) == own
    for name, change in (
        ("mean", {"image_mean": [0.5, 0.5, 0.5]}),
        ("std", {"image_std": [0.5, 0.5, 0.5]}),
        ("scale", {"rescale_factor": 1 / 127.5}),
        ("raw", {"do_normalize": False}),
        ("edge", {"size": {"shortest_edge": 72}}),
        ("filter", {"resample": 2}),
    ):
        assert with_processor(name, {**written, **change}) != own
    assert fingerprint(base, view="center") == own
    assert len({fingerprint(base, view=mode) for mode in ("center", "stretch", "pad")}) == 3


@pytest.mark.parametrize("mode", [None, "center", "stretch", "pad"])
def test_the_fingerprint_is_what_it_was_when_older_indexes_were_built(
    folder: Path, mode: ViewMode | None
) -> None:
    """Weights in order, five values, the first fields of a view: nothing that came later."""
    digest = xxhash.xxh3_128()
    model = AutoModel.from_pretrained(folder, dtype=torch.float32)
    for key, value in model.state_dict().items():
        if value.is_floating_point() and not key.startswith(("text_", "logit_")):
            digest.update(repr(tuple(value.shape)).encode())
            digest.update(value.numpy().data)
    clip = "siglip" not in folder.name
    side = 64 if clip else 48
    kind = CLIPImageProcessorPil if clip else SiglipImageProcessorPil
    mean, std = np.array(kind.image_mean, np.float32), np.array(kind.image_std, np.float32)
    values = [1.0, np.float32(1 / 255).item(), 1.0, mean.tolist(), std.tolist()]
    transform = {
        "mode": mode or ("center" if clip else "stretch"),
        "height": side,
        "width": side,
        "shortest_edge": side,
        "resample": 3,
        "fill": tuple(round(255 * m) for m in mean.tolist()),
    }
    digest.update(repr((values, sorted(transform.items()))).encode())
    assert fingerprint(folder, view=mode) == digest.hexdigest()


def refusal(folder: Path | str) -> str:
    with pytest.raises(CueframeError) as caught:
        load_encoder(str(folder), device=CPU)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_model_that_is_no_dual_encoder_is_refused(tmp_path: Path) -> None:
    config = {"model_type": "bert", "hidden_size": 8, "num_hidden_layers": 1}
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert "is a bert model, not a dual encoder" in refusal(tmp_path)


def test_a_name_that_cannot_be_had_says_that_a_folder_works() -> None:
    for name in ("nobody/has-this-model", "/no/such/folder", "./none"):
        line = refusal(name)
        assert line.startswith(f"the model {name} is no folder here")
        assert "give --model a folder written by save_pretrained" in line


def test_weights_that_are_missing_are_not_made_up(altered: Callable[..., Path]) -> None:
    def drop(weights: Weights) -> Weights:
        return {key: value for key, value in weights.items() if ".layers.1." not in key}

    assert "lacks 32 weights, such as text_model.encoder.layers.1." in refusal(
        altered("gaps", drop)
    )


def test_a_damaged_model_folder_is_refused(altered: Callable[..., Path]) -> None:
    def cut(folder: Path, name: str) -> Path:
        data = (folder / name).read_bytes()
        (folder / name).write_bytes(data[: len(data) // 2])
        return folder

    for name in ("model.safetensors", "config.json", "tokenizer.json", "processor_config.json"):
        folder = cut(altered(f"cut-{name}"), name)
        assert refusal(folder).startswith(f"the model folder {folder} cannot be loaded: ")

    def narrow(weights: Weights) -> Weights:
        return {**weights, "visual_projection.weight": torch.zeros(3, 3)}

    assert "weights of other shapes" in refusal(altered("narrow", narrow))


def test_a_folder_without_tokenizer_is_refused(altered: Callable[..., Path]) -> None:
    folder = altered("mute")
    for path in folder.glob("tokenizer*"):
        path.unlink()
    assert "has 2 tokens and the model 545" in refusal(folder)


def test_a_tokenizer_that_needs_another_library_is_one_line(altered: Callable[..., Path]) -> None:
    folder = altered("sentencepiece")
    config = json.loads((folder / "tokenizer_config.json").read_text())
    config["tokenizer_class"] = "SiglipTokenizer"
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    (folder / "tokenizer.json").unlink()
    refusal(folder)
