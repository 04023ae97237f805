"""Folders that are no whole model of their own are one line each, with the remedy."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModel

from index.errors import CueframeError, ModelError
from index.models.encoder import load_encoder
from index.models.model_loading import load_config, load_dual_encoder, load_weights
from tests.paths import ROOT
from train.inputs import encoder_of
from train.model import load_dual_model_to_train, load_model_to_train

Damage = Callable[[Path], object]


def weights(change: Callable[[dict[str, torch.Tensor]], object]) -> Damage:
    def damage(folder: Path) -> None:
        tensors = load_file(folder / "model.safetensors")
        change(tensors)
        save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})

    return damage


def setting(change: Callable[[dict[str, Any]], object]) -> Damage:
    def damage(folder: Path) -> None:
        config: dict[str, Any] = json.loads((folder / "config.json").read_text())
        change(config)
        (folder / "config.json").write_text(json.dumps(config))

    return damage


def cut(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def as_pickle(folder: Path) -> None:
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()


def as_adapter(folder: Path) -> None:
    (folder / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA"}))


def with_code(folder: Path) -> None:
    own = {"auto_map": {"AutoConfig": "m.C", "AutoModel": "m.M"}, "model_type": "own"}
    setting(lambda config: config.update(own))(folder)
    (folder / "m.py").write_text("open('/dev/stderr', 'w').write('IT RAN')\n")


def without(pattern: str) -> Damage:
    def damage(folder: Path) -> None:
        for path in folder.glob(pattern):
            path.unlink()

    return damage


def other_tokenizer(folder: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_tokens([f"word{n}" for n in range(50)])
    tokenizer.save_pretrained(folder)


def empty_weights(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"")


DAMAGES: dict[str, tuple[Damage, str]] = {
    "a weight is missing": (
        weights(lambda w: w.pop("visual_projection.weight")),
        r"lacks 1 weights, such as visual_projection\.weight; fetch or save it again",
    ),
    "a layer is missing": (
        setting(lambda c: c["text_config"].update(num_hidden_layers=4)),
        r"lacks 16 weights, such as text_model\.encoder\.layers\.3\..*; fetch or save it again",
    ),
    "a layer too many": (
        setting(lambda c: c["vision_config"].update(num_hidden_layers=2)),
        r"has 16 weights that its config\.json has no place for, such as vision_model\.encoder\."
        r"layers\.2\..*; fetch or save it again",
    ),
    "a weight of something else": (
        weights(lambda w: w.update({"text_projection.bias": torch.zeros(64)})),
        r"has 1 weights .* no place for, such as text_projection\.bias",
    ),
    "another shape": (
        weights(lambda w: w.update({"visual_projection.weight": torch.zeros(3, 5)})),
        r"has 1 weights of other shapes .* visual_projection\.weight: \(3, 5\), not \(64, 128\)",
    ),
    "another width": (
        setting(lambda c: c["text_config"].update(hidden_size=64)),
        r"has \d+ weights of other shapes than its config\.json says",
    ),
    "cut weights": (cut, r"cannot be loaded: .*; fetch it again"),
    "empty weights": (empty_weights, r"cannot be loaded: .*; fetch it again"),
    "no weights": (without("*.safetensors"), r"cannot be loaded: .*model\.safetensors.*"),
    "a pickle": (as_pickle, r"as a pickle \(pytorch_model\.bin\), which can run code"),
    "an adapter": (as_adapter, r"holds an adapter, .* merge it with peft"),
    "code of its own": (with_code, r"brings code of its own, which is never run; name a model"),
    "no config.json": (without("config.json"), r"cannot be loaded: .*; fetch it again"),
    "a damaged config.json": (
        lambda folder: (folder / "config.json").write_text("{"),
        r"cannot be loaded: .*not a valid JSON",
    ),
    "a strange value": (
        setting(lambda c: c["text_config"].update(hidden_size="wide")),
        r"cannot be loaded: ",
    ),
    "no tokenizer": (without("tokenizer*"), r"the tokenizer of .* has \d+ tokens and the model"),
    "a larger tokenizer": (other_tokenizer, r"has \d+ tokens and the model \d+; save the right"),
    "no image processor": (without("*processor*"), r"cannot be loaded: .*; fetch it again"),
}


@pytest.fixture
def folder(tiny_model: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_model, tmp_path / "model"))


@pytest.mark.parametrize("name", DAMAGES)
def test_index_and_training_refuse_the_same_folders(
    name: str, folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    damage, wanted = DAMAGES[name]
    damage(folder)
    for load in (
        lambda: load_encoder(str(folder), device=torch.device("cpu")),
        lambda: load_model_to_train(str(folder)),
    ):
        with pytest.raises(CueframeError, match=wanted) as refused:
            load()
        assert str(folder) in str(refused.value)
        assert "\n" not in str(refused.value)
        assert not isinstance(refused.value, ModelError)  # it is there, and wrong
    said = capfd.readouterr()
    assert said.out == said.err == ""  # no report of transformers, and no code that ran


def processor_setting(name: str, value: object) -> Damage:
    def damage(folder: Path) -> None:
        path = folder / "processor_config.json"
        values: dict[str, Any] = json.loads(path.read_text())
        values["image_processor"][name] = value
        path.write_text(json.dumps(values))

    return damage


def tokenizer_setting(name: str, value: object) -> Damage:
    def damage(folder: Path) -> None:
        path = folder / "tokenizer_config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {name: value}))

    return damage


ODD_VALUES: dict[str, Damage] = {
    "a mean for one channel": processor_setting("image_mean", [0.5]),
    "no mean": processor_setting("image_mean", None),
    "a mean that is no number": processor_setting("image_mean", [float("nan")] * 3),
    "a deviation of zero": processor_setting("image_std", [0, 0, 0]),
    "pictures of another size": processor_setting("crop_size", {"height": 32, "width": 32}),
    "a negative size": processor_setting("crop_size", {"height": -1, "width": 64}),
    "a filter of no name": processor_setting("resample", "sharp"),
    "no factor": processor_setting("rescale_factor", None),
    "no length of texts": tokenizer_setting("model_max_length", "long"),
    "no token to pad with": tokenizer_setting("pad_token", None),
    "no last token": setting(lambda c: c["text_config"].update(eos_token_id=None)),
    "no epsilon": setting(lambda c: c["text_config"].update(layer_norm_eps=None)),
    "negative heads": setting(lambda c: c["vision_config"].update(num_attention_heads=-1)),
}


@pytest.mark.parametrize("name", ODD_VALUES)
def test_odd_values_of_a_folder_are_known_before_any_work(name: str, folder: Path) -> None:
    ODD_VALUES[name](folder)

    def to_train() -> None:
        encoder_of(load_dual_model_to_train(str(folder), None), None)

    for load in (
        lambda: load_encoder(str(folder), device=torch.device("cpu"))[0].width,
        to_train,
    ):
        with pytest.raises(CueframeError) as refused:
            load()
        assert str(folder) in str(refused.value) or "image processor" in str(refused.value)
        assert "\n" not in str(refused.value)


def test_a_model_of_absurd_size_is_one_line_at_once(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = setting(lambda c: c["vision_config"].update(num_hidden_layers=10**12))
    config = (folder / "config.json").read_text()
    deep(folder)
    with pytest.raises(CueframeError, match="has num_hidden_layers 1000000000000 in its config"):
        load_encoder(str(folder), device=torch.device("cpu"))
    (folder / "config.json").write_text(config)

    def full(*args: object, **how: object) -> None:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried 9 TB\nmore")

    monkeypatch.setattr(AutoModel, "from_pretrained", full)
    with pytest.raises(CueframeError, match=r"^out of memory \(.*TB\) .* a smaller model with --m"):
        load_encoder(str(folder), device=torch.device("cpu"))


def test_what_is_known_to_be_harmless_passes(folder: Path) -> None:
    def add(tensors: dict[str, torch.Tensor]) -> None:
        tensors["text_model.embeddings.position_ids"] = torch.arange(77)[None]
        tensors["classifier.weight"] = torch.zeros(3, 64)

    weights(add)(folder)
    load_dual_encoder(str(folder))


def test_weights_that_are_not_used_may_be_lacking(folder: Path) -> None:
    weights(lambda w: w.pop("visual_projection.weight"))(folder)
    load_config(str(folder), "--judge")
    model = load_weights(
        AutoModel, str(folder), "--judge", dtype=torch.float32, may_lack=("visual_projection.",)
    )
    assert not model.training


@pytest.mark.parametrize(
    "name",
    ["no/such-model", "openai/clip-vit-large-patch14", "a b/c", "/no", "x" * 5000],
)
def test_a_name_that_is_not_to_be_had_is_another_kind_of_error(name: str) -> None:
    with pytest.raises(ModelError, match=r"is no folder here and cannot be had .* give --reader"):
        load_config(name, "--reader")


def test_code_is_not_asked_about_on_stdin(folder: Path, tmp_path: Path) -> None:
    with_code(folder)
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos" / "v.mp4").touch()
    done = subprocess.run(
        [
            *(sys.executable, "index/build.py", str(tmp_path / "videos")),
            *("--index", str(tmp_path / "index"), "--model", str(folder)),
        ],
        cwd=ROOT,
        input="y\n" * 5,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert "IT RAN" not in done.stderr


def test_nothing_else_loads_a_model() -> None:
    for floor in ("index", "infer", "train"):
        for path in (ROOT / floor).rglob("*.py"):
            if path != ROOT / "index" / "models" / "model_loading.py":
                assert "from_pretrained(" not in path.read_text().replace(
                    "        model = CLIPModel.from_pretrained", ""
                ), path
