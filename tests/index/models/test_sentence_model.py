"""Vectors of sentence-transformers equal `encode`; folders that are not known are refused."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file

from index.errors import CueframeError
from index.models.encoder import load_dual_model, load_encoder
from index.models.model_files import files_fingerprint
from tests.index.models.test_open_clip_model import IMAGES
from tests.other_libraries import EMBED, sentence_transformers_or_skip
from tests.sentence_models import make

CPU = torch.device("cpu")
TEXTS = [
    "a red truck",
    "where is the blue bus",
    "the car passes left of the green truck on the right " * 6,
    "",
    "bus",
    "a red truck",
    "where",
    "the green car",
]
OF_TEXTS = ("text", "prompted-text")
OF_BOTH = ("clip", "old-clip", "siglip")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Folder of each kind, made when it is first asked for."""
    sentence_transformers_or_skip()
    root = tmp_path_factory.mktemp("sentence")

    class Made(dict[str, Path]):
        def __missing__(self, kind: str) -> Path:
            return self.setdefault(kind, make(kind, root / kind))

    return Made()


def library_model(folder: Path, **settings: Any) -> Any:
    library = sentence_transformers_or_skip()
    return library.SentenceTransformer(
        str(folder), device="cpu", local_files_only=True, processor_kwargs=settings
    )


@pytest.mark.parametrize("kind", [*OF_TEXTS, *OF_BOTH])
def test_texts_are_those_of_encode(kind: str, folders: dict[str, Path]) -> None:
    encoder, _ = load_encoder(str(folders[kind]), device=CPU)
    model = library_model(folders[kind])
    encode = model.encode_query if model.prompts.get("query") else model.encode
    for size in (1, 8):
        texts, too_long = encoder.texts(TEXTS, size)
        wanted = encode(TEXTS, batch_size=size, normalize_embeddings=True)
        np.testing.assert_allclose(texts, wanted, atol=2e-6)
        assert too_long.tolist() == [len(text) > 60 for text in TEXTS]
    with torch.no_grad():
        own = F.normalize(encoder.model.own_text_vectors(TEXTS), dim=-1)
    np.testing.assert_allclose(own.numpy(), wanted, atol=2e-6)
    assert encoder.model.has_vision == (kind in OF_BOTH)
    assert encoder.text_width == (24 if kind == "siglip" else EMBED)


@pytest.mark.parametrize("kind", OF_BOTH)
def test_pictures_are_those_of_encode(kind: str, folders: dict[str, Path]) -> None:
    encoder, _ = load_encoder(str(folders[kind]), device=CPU)
    pixels = np.stack([encoder.transform.apply(image) for image in IMAGES])
    # Where torchvision is installed the library resizes by it, on tensors; here Pillow does always.
    model = library_model(folders[kind], backend="pil")
    for size in (1, 8):
        wanted = model.encode(IMAGES, batch_size=size, normalize_embeddings=True)
        got = torch.cat([encoder.images(pixels[n : n + size]) for n in range(0, 4, size)])
        np.testing.assert_allclose(got.numpy(), wanted, atol=2e-6)
    own = F.normalize(encoder.model.own_image_vectors(IMAGES), dim=-1)
    np.testing.assert_allclose(own.numpy(), wanted, atol=2e-6)


@pytest.mark.parametrize("kind", [*OF_TEXTS, *OF_BOTH])
def test_a_saved_model_is_the_same_and_loads_again(
    kind: str, folders: dict[str, Path], tmp_path: Path
) -> None:
    first, fingerprint = load_encoder(str(folders[kind]), device=CPU)
    first.model.ready_to_save()
    first.model.save(tmp_path / "saved")
    again, same = load_encoder(str(tmp_path / "saved"), device=CPU)
    assert same == fingerprint
    np.testing.assert_allclose(again.texts(TEXTS)[0], first.texts(TEXTS)[0], atol=1e-6)


@pytest.mark.parametrize("kind", [*OF_TEXTS, *OF_BOTH])
def test_both_sides_are_known_by_name(kind: str, folders: dict[str, Path]) -> None:
    model = load_dual_model(str(folders[kind]), None)
    parameters = dict(model.module.named_parameters())
    sides = {name: model.side_of(name) for name in parameters}

    def learned() -> set[str]:
        return {name for name, own in parameters.items() if own.grad is not None}

    if kind in OF_BOTH:
        shape = (2, 3, model.transform.height, model.transform.width)
        pixels = torch.randint(256, shape, dtype=torch.uint8)
        torch.autograd.backward(model.image_vectors(pixels).square().sum())
        assert learned() == {name for name, side in sides.items() if side == "vision"}
    torch.autograd.backward(
        model.text_vectors(model.tokens(["a red truck", "a bus"])).square().sum()
    )
    assert learned() == {name for name, side in sides.items() if side in ("vision", "text")}
    assert any(map(model.is_projection, parameters))
    scales = {"siglip": 1.0, **dict.fromkeys(OF_TEXTS, 100.0)}  # as the libraries begin
    assert model.scale == pytest.approx(scales.get(kind, 1 / 0.07), rel=1e-3)


def test_a_text_tower_has_no_pictures(folders: dict[str, Path]) -> None:
    encoder, _ = load_encoder(str(folders["text"]), device=CPU)
    with pytest.raises(
        CueframeError, match=r"is a text tower without a vision side, .* --tune text"
    ):
        encoder.check_images()


def test_a_text_whose_vector_depends_on_those_beside_it_is_refused(
    folders: dict[str, Path],
) -> None:
    with pytest.raises(CueframeError, match="depend on the texts beside it"):
        load_encoder(str(folders["ragged-siglip"]), device=CPU)


def copy(folders: dict[str, Path], kind: str, to: Path) -> Path:
    return Path(shutil.copytree(folders[kind], to / "copy"))


def refused(folder: Path, match: str) -> None:
    with pytest.raises(CueframeError, match=match) as caught:
        load_encoder(str(folder), device=CPU)
    assert "\n" not in str(caught.value)


def edit(path: Path, **values: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


@pytest.mark.parametrize(
    ("kind", "match"),
    [
        ("own_code.Tower", "brings code of its own"),
        ("os.path.join", "brings code of its own"),
        ("sentence_transformers_own.Transformer", "brings code of its own"),
        ("sentence_transformers.base.modules.router.Router", "a module Router, which is none"),
    ],
)
def test_a_class_that_is_not_known_is_never_imported(
    kind: str, match: str, folders: dict[str, Path], tmp_path: Path
) -> None:
    folder = copy(folders, "clip", tmp_path)
    ran = tmp_path / "ran"
    for name in ("own_code.py", "sentence_transformers_own.py"):
        (folder / name).write_text(f"open({str(ran)!r}, 'w')\nTower = Transformer = None\n")
    modules = json.loads((folder / "modules.json").read_text())
    modules[0]["type"] = kind
    (folder / "modules.json").write_text(json.dumps(modules))
    refused(folder, match)
    assert not ran.exists()


def test_code_that_a_config_names_is_never_run(
    folders: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("a question on stdin"))
    folder = copy(folders, "text", tmp_path)
    ran = tmp_path / "ran"
    (folder / "own.py").write_text(f"open({str(ran)!r}, 'w')\n")
    edit(
        folder / "config.json",
        model_type="own",
        auto_map={"AutoConfig": "own.Config", "AutoModel": "own.Model"},
    )
    refused(folder, "brings code of its own")
    shutil.copy(folders["text"] / "config.json", folder / "config.json")
    settings = {"model_kwargs": {"attn_implementation": "someone/kernel"}}
    edit(folder / "sentence_bert_config.json", **settings)
    refused(folder, "sets attn_implementation to 'someone/kernel'")
    edit(folder / "sentence_bert_config.json", model_kwargs={"trust_remote_code": True})
    load_encoder(str(folder), device=CPU)
    edit(folder / "2_Dense" / "config.json", activation_function="os.system")
    refused(folder, "activation function that is none of torch's")
    assert not ran.exists()


@pytest.mark.parametrize("path", ["../elsewhere", "/etc", "a/b"])
def test_a_module_elsewhere(path: str, folders: dict[str, Path], tmp_path: Path) -> None:
    folder = copy(folders, "text", tmp_path)
    modules = json.loads((folder / "modules.json").read_text())
    modules[1]["path"] = path
    (folder / "modules.json").write_text(json.dumps(modules))
    refused(folder, "names a module outside of its folder")


@pytest.mark.parametrize("text", ["[{}]", "{", "3", '[{"path": 1}]'])
def test_damaged_modules(text: str, folders: dict[str, Path], tmp_path: Path) -> None:
    folder = copy(folders, "text", tmp_path)
    (folder / "modules.json").write_text(text)
    refused(folder, "modules.json is damaged")


def test_weights_that_are_not_the_models(folders: dict[str, Path], tmp_path: Path) -> None:
    folder = copy(folders, "old-clip", tmp_path)
    path = folder / "0_CLIPModel" / "model.safetensors"
    tensors = load_file(path)
    lost = tensors.pop("visual_projection.weight")
    save_file(tensors, path, metadata={"format": "pt"})
    refused(folder, "lacks 1 weights, such as visual_projection.weight")
    other = tensors | {"visual_projection.weight": lost[:-1].contiguous()}
    save_file(other, path, metadata={"format": "pt"})
    refused(folder, "1 weights of other shapes")
    path.rename(path.with_name("pytorch_model.bin"))
    refused(folder, r"weights as a pickle \(pytorch_model.bin\)")
    folder = Path(shutil.copytree(folders["text"], tmp_path / "text"))
    path = folder / "2_Dense" / "model.safetensors"
    save_file({"other": lost}, path)
    refused(folder, "cannot be loaded")
    path.rename(path.with_name("pytorch_model.bin"))
    refused(folder, "2_Dense has its weights as a pickle")


def test_a_model_of_another_type(folders: dict[str, Path], tmp_path: Path) -> None:
    folder = copy(folders, "text", tmp_path)
    edit(folder / "config_sentence_transformers.json", model_type="SparseEncoder")
    refused(folder, "holds a SparseEncoder, which gives no single vector")


def test_its_files_are_those_of_all_its_modules(folders: dict[str, Path], tmp_path: Path) -> None:
    folder = copy(folders, "text", tmp_path)
    own = files_fingerprint(str(folder), "--model")
    assert own == files_fingerprint(str(folders["text"]), "--model")
    (folder / "checkpoints").mkdir()
    (folder / "checkpoints" / "config.json").write_text("{}")
    assert own == files_fingerprint(str(folder), "--model")
    for name in ("modules.json", "model.safetensors", "1_Pooling/config.json"):
        whole = (folder / name).read_bytes()
        (folder / name).write_bytes(whole + b" ")
        assert own != files_fingerprint(str(folder), "--model")
        (folder / name).write_bytes(whole)
    dense = folder / "2_Dense" / "model.safetensors"
    dense.write_bytes(dense.read_bytes()[:-1] + b"\1")
    assert own != files_fingerprint(str(folder), "--model")


@pytest.mark.parametrize("kind", [*OF_TEXTS, *OF_BOTH])
def test_a_control_token_in_a_text_is_read_as_text(kind: str, folders: dict[str, Path]) -> None:
    model: Any = load_encoder(str(folders[kind]), device=CPU)[0].model
    tokenizer = model.module.tokenizer
    words = [word for word in tokenizer.all_special_tokens if word != tokenizer.unk_token]
    assert words
    plain = model.plain_texts(["a bus", *(f"a {word} bus" for word in words)])
    assert plain[0] == "a bus"
    numbers = set(tokenizer.convert_tokens_to_ids(words))
    for ids in tokenizer(plain, add_special_tokens=False)["input_ids"]:
        assert not numbers.intersection(ids)
