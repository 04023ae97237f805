"""Vectors of open_clip models equal open_clip's own, and what it would pass over is refused."""

import json
import shutil
from pathlib import Path
from typing import Any

import huggingface_hub
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from safetensors.torch import load_file, save_file

from index.errors import CueframeError, ModelError
from index.models.encoder import load_dual_model, load_encoder
from index.models.model_files import files_fingerprint
from tests.index.models.test_preprocess import noise
from tests.other_libraries import (
    EMBED,
    WORDS,
    clip_config,
    open_clip_or_skip,
    save_open_clip,
    word_tokenizer,
)

CPU = torch.device("cpu")
IMAGES = [noise((320, 180)), noise((64, 64)), noise((90, 201)), noise((77, 45))]
TEXTS = [
    "a red truck",
    "where is the blue bus",
    "Xe tải màu đỏ ở đâu?",
    "the car passes left of the green truck on the right " * 3,
    "",
    "bus",
    "a red truck",
    "one of eight",
]
MORE = {"layers": 2, "width": 32, "heads": 2, "context_length": 16, "vocab_size": 49408}
FAMILIES: dict[str, Any] = {
    "clip": (clip_config(), {}),
    "clip-longest": (clip_config(), {"resize_mode": "longest", "fill_color": 100}),
    "clip-squash-bilinear": (clip_config(), {"resize_mode": "squash", "interpolation": "bilinear"}),
    "clip-not-square": (clip_config([32, 48]), {"interpolation": "bilinear"}),
    "resnet": (
        clip_config(
            vision_cfg={"image_size": 64, "layers": [1, 1, 1, 1], "width": 8, "patch_size": None}
        ),
        {},
    ),
    "siglip": (
        clip_config(
            init_logit_bias=-10.0,
            custom_text=True,
            text_cfg=MORE
            | {
                "hf_tokenizer_name": "its/own",
                "vocab_size": 3 + len(WORDS),
                "tokenizer_kwargs": {"clean": "canonicalize"},
                "no_causal_mask": True,
                "proj_bias": True,
                "pool_type": "last",
            },
        ),
        {"resize_mode": "squash", "mean": [0.5] * 3, "std": [0.5] * 3},
    ),
    "coca": (
        clip_config(
            custom_text=True,
            text_cfg=MORE | {"context_length": 15, "embed_cls": True, "output_tokens": True},
            vision_cfg={
                **clip_config()["vision_cfg"],
                "attentional_pool": True,
                "attn_pooler_heads": 2,
                "output_tokens": True,
            },
            multimodal_cfg={"context_length": 15, "width": 32, "heads": 2, "layers": 1},
        ),
        {},
    ),
    "eva": (
        clip_config(
            custom_text=True,
            vision_cfg={
                "image_size": 224,
                "timm_model_name": "eva02_tiny_patch14_224",
                "timm_pool": "token",
                "timm_proj": None,
            },
        ),
        {},
    ),
    "pe-core": (
        clip_config(
            custom_text=True,
            vision_cfg={
                "image_size": 384,
                "timm_model_name": "vit_pe_core_tiny_patch16_384",
                "timm_pool": "map",
                "timm_proj": None,
            },
        ),
        {"resize_mode": "squash"},
    ),
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Folder of each family, made when it is first asked for."""
    open_clip_or_skip()
    root = tmp_path_factory.mktemp("open-clip")

    class Made(dict[str, Path]):
        def __missing__(self, family: str) -> Path:
            config, preprocess = FAMILIES[family]
            words = word_tokenizer(root / "words") if family == "siglip" else None
            made = save_open_clip(root / family, config, tokenizer=words, **preprocess)
            return self.setdefault(family, made)

    return Made()


def own(folder: Path, images: list[Image.Image], texts: list[str]) -> tuple[Any, Any]:
    """What open_clip itself gives."""
    open_clip = open_clip_or_skip()
    model, _, prepare = open_clip.create_model_and_transforms(f"local-dir:{folder}")
    tokenizer = open_clip.get_tokenizer(f"local-dir:{folder}")
    model.eval()
    with torch.no_grad():
        pictures = [model.encode_image(prepare(image)[None]) for image in images]
        words = [model.encode_text(tokenizer([text])) for text in texts]
    return F.normalize(torch.cat(pictures), dim=-1), F.normalize(torch.cat(words), dim=-1)


@pytest.mark.parametrize("family", FAMILIES)
def test_vectors_are_those_of_open_clip(family: str, folders: dict[str, Path]) -> None:
    folder = folders[family]
    pictures, words = own(folder, IMAGES, TEXTS)
    encoder, _ = load_encoder(str(folder), device=CPU)
    assert encoder.width == EMBED
    pixels = np.stack([encoder.transform.apply(image) for image in IMAGES])
    for size in (1, 8):
        batches = [encoder.images(pixels[n : n + size]) for n in range(0, len(pixels), size)]
        torch.testing.assert_close(torch.cat(batches), pictures, atol=2e-6, rtol=0)
        texts, too_long = encoder.texts(TEXTS, size)
        torch.testing.assert_close(torch.from_numpy(texts), words, atol=2e-6, rtol=0)
        assert too_long[[0, 1, 3, 5]].tolist() == [False, False, True, False]
    model = encoder.model
    with torch.no_grad():
        images = F.normalize(model.own_image_vectors(IMAGES), dim=-1)
        torch.testing.assert_close(images, pictures, atol=2e-6, rtol=0)
        own_words = F.normalize(model.own_text_vectors(TEXTS), dim=-1)
        torch.testing.assert_close(own_words, words, atol=2e-6, rtol=0)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_saved_model_is_the_same_and_loads_again(
    family: str, folders: dict[str, Path], tmp_path: Path
) -> None:
    first, fingerprint = load_encoder(str(folders[family]), device=CPU)
    first.model.ready_to_save()
    first.model.save(tmp_path / "saved")
    again, same = load_encoder(str(tmp_path / "saved"), device=CPU)
    assert same == fingerprint
    assert (again.texts(TEXTS)[0] == first.texts(TEXTS)[0]).all()
    _, words = own(tmp_path / "saved", IMAGES[:1], TEXTS)
    torch.testing.assert_close(torch.from_numpy(again.texts(TEXTS)[0]), words, atol=2e-6, rtol=0)


@pytest.mark.parametrize("family", FAMILIES)
def test_both_sides_and_their_projections_are_known_by_name(
    family: str, folders: dict[str, Path]
) -> None:
    model = load_dual_model(str(folders[family]), None)
    sides = {name: model.side_of(name) for name, _ in model.module.named_parameters()}
    pixels = torch.zeros(2, 3, model.transform.height, model.transform.width, dtype=torch.uint8)
    pixels[0] = 255
    torch.autograd.backward(model.image_vectors(pixels).square().sum())
    parameters = dict(model.module.named_parameters())
    learned = {name for name, own in parameters.items() if own.grad is not None}
    assert learned == {name for name, side in sides.items() if side == "vision"}
    torch.autograd.backward(
        model.text_vectors(model.tokens(["a red truck", "a bus"])).square().sum()
    )
    learned = {name for name, own in parameters.items() if own.grad is not None}
    assert learned == {name for name, side in sides.items() if side in ("vision", "text")}
    projections = {sides[name] for name in parameters if model.is_projection(name)}
    assert projections >= {"text"}
    assert {name for name, side in sides.items() if side == "logits"} >= {"logit_scale"}
    assert ("logit_bias" in sides) == (model.bias is not None) == (family == "siglip")


def copy(folders: dict[str, Path], family: str, to: Path) -> Path:
    return Path(shutil.copytree(folders[family], to / "copy"))


def refused(folder: Path, match: str) -> None:
    with pytest.raises(CueframeError, match=match) as caught:
        load_encoder(str(folder), device=CPU)
    assert "\n" not in str(caught.value)


def edit(folder: Path, part: str, **values: Any) -> None:
    path = folder / "open_clip_config.json"
    content = json.loads(path.read_text())
    content["model_cfg"][part] |= values
    path.write_text(json.dumps(content))


def test_weights_that_are_not_the_models(folders: dict[str, Path], tmp_path: Path) -> None:
    folder = copy(folders, "siglip", tmp_path)
    path = folder / "open_clip_model.safetensors"
    whole = load_file(path)
    for lost in ("visual.proj", "logit_bias", "logit_scale"):
        save_file({key: value for key, value in whole.items() if key != lost}, path)
        refused(folder, f"lacks 1 weights, such as {lost}; fetch or save it again$")
    save_file(whole | {"visual.more": torch.zeros(1)}, path)
    refused(folder, r"1 weights that its open_clip_config.json has no place for, such as visual.mo")
    # open_clip would fit these to the number of patches.
    save_file(whole | {"visual.positional_embedding": torch.zeros(10, 32)}, path)
    refused(folder, r"visual.positional_embedding: \(10, 32\), not \(17, 32\)")
    path.write_bytes(b"no weights" * 10_000)
    refused(folder, "cannot be loaded")
    path.write_bytes(b"")
    refused(folder, "has 0 bytes, and open_clip_config.json beside it describes")
    path.rename(folder / "open_clip_pytorch_model.bin")
    refused(folder, r"as a pickle \(open_clip_pytorch_model.bin\), which can run code")
    (folder / "open_clip_pytorch_model.bin").unlink()
    refused(folder, "has no open_clip_model.safetensors")


def test_a_config_of_more_than_the_files_hold(folders: dict[str, Path], tmp_path: Path) -> None:
    folder = copy(folders, "clip", tmp_path)
    edit(folder, "vision_cfg", width=1 << 20)
    refused(folder, "describes .* weights; fetch or save the model again")
    edit(folder, "vision_cfg", width=32, layers=10**9)
    refused(folder, "has layers 1000000000")
    edit(folder, "vision_cfg", layers=[1, 1, 1, 10**9])
    refused(folder, "has layers 1000000000")


@pytest.mark.parametrize("text", ["[]", "{}", "{", '{"model_cfg": {"text_cfg": 1}}'])
def test_a_damaged_config(text: str, folders: dict[str, Path], tmp_path: Path) -> None:
    folder = copy(folders, "clip", tmp_path)
    (folder / "open_clip_config.json").write_text(text)
    refused(folder, "open_clip_config.json has no model_cfg|cannot be loaded")


def test_code_and_towers_from_elsewhere(
    folders: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("a question on stdin"))
    folder = copy(folders, "siglip", tmp_path)
    ran = tmp_path / "ran"
    (folder / "own.py").write_text(f"open({str(ran)!r}, 'w')\n")
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    own = {"auto_map": {"AutoTokenizer": ["own.Tokenizer", None]}, "tokenizer_class": "Own"}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings | own))
    refused(folder, "brings code of its own, which is never run")
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    for more in ({"trust_remote_code": True}, {"reduction_mask": "random"}, {"bpe_path": "/a"}):
        edit(folder, "text_cfg", tokenizer_kwargs=more)
        refused(folder, f"gives its tokenizer {next(iter(more))}, with which")
    edit(folder, "text_cfg", tokenizer_kwargs=None)
    edit(folder, "text_cfg", hf_model_name="nobody/has-this")
    refused(folder, "nobody/has-this is no folder here and cannot be had from the hub")
    edit(folder, "text_cfg", hf_model_name=None)
    edit(folder, "vision_cfg", timm_model_name="hf-hub:nobody/has-this")
    refused(folder, "names a vision tower elsewhere")
    assert not ran.exists()


def test_a_text_tower_of_transformers(folders: dict[str, Path], tmp_path: Path) -> None:
    words = word_tokenizer(tmp_path / "words")
    tower = {
        "architectures": ["XLMRobertaModel"],
        "model_type": "xlm-roberta",
        "vocab_size": 3 + len(WORDS),
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "max_position_embeddings": 40,
        "pad_token_id": 0,
    }
    (words / "config.json").write_text(json.dumps(tower))
    text = {
        "hf_model_name": str(words),
        "hf_tokenizer_name": str(words),
        "hf_pooler_type": "mean_pooler",
        "context_length": 16,
    }
    folder = save_open_clip(tmp_path / "xlm", clip_config(text_cfg=text), tokenizer=words)
    _, vectors = own(folder, IMAGES[:1], TEXTS)
    encoder, _ = load_encoder(str(folder), device=CPU)
    np.testing.assert_allclose(encoder.texts(TEXTS, 8)[0], vectors.numpy(), atol=2e-6)
    assert encoder.model.side_of("text.transformer.embeddings.word_embeddings.weight") == "text"
    encoder.model.save(tmp_path / "saved")
    again, _ = load_encoder(str(tmp_path / "saved"), device=CPU)
    np.testing.assert_allclose(again.texts(TEXTS, 8)[0], vectors.numpy(), atol=2e-6)


def test_a_tokenizer_of_another_model(folders: dict[str, Path], tmp_path: Path) -> None:
    folder = copy(folders, "siglip", tmp_path)
    edit(folder, "text_cfg", hf_tokenizer_name="")
    refused(folder, r"has 49408 tokens and the model \d+")


def test_activations_are_recomputed(folders: dict[str, Path]) -> None:
    for family in ("clip", "eva", "pe-core"):
        model = load_dual_model(str(folders[family]), None)
        model.module.train()
        shape = (1, 3, model.transform.height, model.transform.width)
        pixels = torch.randint(256, shape, dtype=torch.uint8)

        def gradients(model: Any = model, pixels: torch.Tensor = pixels) -> torch.Tensor:
            model.module.zero_grad()
            texts = model.text_vectors(model.tokens(["a red truck"]))
            torch.autograd.backward((model.image_vectors(pixels) * texts).sum())
            found = [own.grad for own in model.module.parameters() if own.grad is not None]
            return torch.cat([grad.flatten() for grad in found])

        before = gradients()
        model.keep_no_activations()
        torch.testing.assert_close(gradients(), before, atol=1e-6, rtol=1e-4)


def test_the_keys_biases_do_not_learn(folders: dict[str, Path]) -> None:
    model = load_dual_model(str(folders["clip"]), None)
    torch.autograd.backward(model.text_vectors(model.tokens(["a red truck"])).sum())
    bias = dict(model.module.named_parameters())["transformer.resblocks.0.attn.in_proj_bias"]
    assert bias.grad is not None
    queries, keys, values = bias.grad.chunk(3)
    assert (keys == 0).all()
    assert queries.abs().sum() > 0
    assert values.abs().sum() > 0


def test_a_view_of_ones_own(folders: dict[str, Path]) -> None:
    for view in ("center", "stretch", "pad"):
        encoder, fingerprint = load_encoder(str(folders["clip"]), view=view, device=CPU)
        assert encoder.transform.mode == view
        assert encoder.transform.apply(IMAGES[0]).shape == (32, 32, 3)
    tiles = load_dual_model(str(folders["clip"]), "tiles").transform
    assert tiles.squares(IMAGES[0], tiles.tiles_of(IMAGES[0])).shape[1:] == (32, 32, 3)
    _, own_view = load_encoder(str(folders["clip-longest"]), view="pad", device=CPU)
    assert own_view == load_encoder(str(folders["clip-longest"]), device=CPU)[1] != fingerprint


def test_its_files_are_those_that_open_clip_reads(folders: dict[str, Path], tmp_path: Path) -> None:
    folder = copy(folders, "siglip", tmp_path)
    own = files_fingerprint(str(folder), "--model")
    (folder / "model.safetensors").write_text("those of another library")
    assert files_fingerprint(str(folder), "--model") == own
    for name in ("open_clip_model.safetensors", "open_clip_config.json", "tokenizer.json"):
        whole = (folder / name).read_bytes()
        (folder / name).write_bytes(whole + b" ")
        assert files_fingerprint(str(folder), "--model") != own
        (folder / name).write_bytes(whole)


def test_a_name_on_the_hub(
    folders: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cached = tmp_path / "models--own--tiny"
    shutil.copytree(folders["siglip"], cached / "snapshots" / "abc")
    (cached / "refs").mkdir()
    (cached / "refs" / "main").write_text("abc")
    edit(cached / "snapshots" / "abc", "text_cfg", hf_tokenizer_name="own/tiny")
    for module in ("libraries", "open_clip_folder"):
        monkeypatch.setattr(
            f"index.models.{module}.snapshot_download",
            lambda name, **how: huggingface_hub.snapshot_download(name, cache_dir=tmp_path, **how),
        )
    wanted = load_encoder(str(folders["siglip"]), device=CPU)[0].texts(TEXTS)[0]
    for name in ("hf-hub:own/tiny", "own/tiny"):
        assert (load_encoder(name, device=CPU)[0].texts(TEXTS)[0] == wanted).all()
    own = files_fingerprint("hf-hub:own/tiny", "--model")
    assert own == files_fingerprint(str(cached / "snapshots" / "abc"), "--model")
    with pytest.raises(ModelError, match="hf-hub:no/such is no folder here and cannot be had"):
        load_encoder("hf-hub:no/such", device=CPU)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_control_token_in_a_text_is_read_as_text(family: str, folders: dict[str, Path]) -> None:
    model: Any = load_dual_model(str(folders[family]), None)
    inner = getattr(model.tokenizer, "tokenizer", None)
    words = ["<end_of_text>", "<Start_Of_Text>"] if inner is None else [inner.eos_token]
    plain = model.plain_texts(["a bus", *(f"a {word} bus" for word in words if word)])
    assert plain[0] == "a bus"
    if inner is None:
        numbers, of_each = {*model.tokenizer.all_special_ids}, map(model.tokenizer.encode, plain)
    else:
        numbers = {*inner.all_special_ids} - {inner.unk_token_id}
        of_each = inner(plain, add_special_tokens=False)["input_ids"]
    for ids in of_each:
        assert not numbers.intersection(ids)
