"""Model folders made to run code, to fill the memory or never to end: one line each, at once."""

import json
import os
import resource
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open

from index.errors import CueframeError
from index.models.encoder import load_encoder
from infer.judge import load_judge
from infer.readers.vision_language import load_reader
from tests.fixtures_infer import judge_folder
from tests.fixtures_readers import make_reader
from train.model import load_model_to_train

CPU = torch.device("cpu")
MOST_BYTES = 6 << 30
"""Of address space, beside what the process has."""

Harm = Callable[[Path], object]


def values(name: str, change: Callable[[dict[str, Any]], object]) -> Harm:
    def harm(folder: Path) -> None:
        content = json.loads((folder / name).read_text())
        change(content)
        (folder / name).write_text(json.dumps(content))

    return harm


def config(part: str, **new: object) -> Harm:
    return values("config.json", lambda c: (c[part] if part else c).update(new))


def text(name: str, content: str) -> Harm:
    return lambda folder: (folder / name).write_text(content)


def pipe(name: str) -> Harm:
    def harm(folder: Path) -> None:
        (folder / name).unlink(missing_ok=True)
        os.mkfifo(folder / name)

    return harm


def device(name: str) -> Harm:
    def harm(folder: Path) -> None:
        (folder / name).unlink(missing_ok=True)
        (folder / name).symlink_to("/dev/zero")

    return harm


def header(length: int) -> Harm:
    def harm(folder: Path) -> None:
        whole = (folder / "model.safetensors").read_bytes()
        (folder / "model.safetensors").write_bytes(length.to_bytes(8, "little") + whole[8:])

    return harm


def shards(file: str) -> Harm:
    def harm(folder: Path) -> None:
        with safe_open(folder / "model.safetensors", "pt") as weights:
            content = {"metadata": {}, "weight_map": dict.fromkeys(weights.keys(), file)}
        (folder / "model.safetensors").unlink()
        (folder / "model.safetensors.index.json").write_text(json.dumps(content))

    return harm


def huge_text(name: str) -> Harm:
    """A file with a hole: 20 GB that take no room."""

    def harm(folder: Path) -> None:
        with (folder / name).open("wb") as file:
            file.truncate(20 << 30)

    return harm


DEEP = "[" * 100_000 + "]" * 100_000
HARMS: dict[str, tuple[Harm, str]] = {
    "10^9 hidden": (config("text_config", hidden_size=10**9), "bytes of weights, and its config"),
    "10^9 pixels": (config("vision_config", image_size=10**9), "bytes of weights, and its config"),
    "10^5 pixels": (config("vision_config", image_size=10**5), "bytes of weights, and its config"),
    "10^12 words": (config("text_config", vocab_size=10**12), "bytes of weights, and its config"),
    "10^9 projected": (config("", projection_dim=10**9), "bytes of weights, and its config"),
    "10^10 positions": (
        config("text_config", max_position_embeddings=10**10),
        "bytes of weights, and its config",
    ),
    "9999 layers": (config("text_config", num_hidden_layers=9999), "more than 1000"),
    "negative sizes": (config("text_config", hidden_size=-64), "cannot be loaded"),
    "no patches": (config("vision_config", patch_size=0), "cannot be loaded"),
    "no heads": (config("text_config", num_attention_heads=0), "cannot be loaded"),
    "a deep config.json": (text("config.json", DEEP), "cannot be loaded"),
    "a deep tokenizer": (text("tokenizer_config.json", DEEP), "cannot be loaded"),
    "a deep processor": (text("processor_config.json", DEEP), "cannot be loaded"),
    "an empty tokenizer": (text("tokenizer.json", ""), "cannot be loaded"),
    "a long header": (header(2**62), "cannot be loaded"),
    "a short header": (header(1), "cannot be loaded"),
    "weights of others": (shards("../../../../etc/passwd"), "weights outside of its folder"),
    "weights of the system": (shards("/dev/zero"), "weights outside of its folder"),
    "a device as weights": (device("model.safetensors"), "no regular file"),
    "a device as words": (device("tokenizer.json"), "no regular file"),
    "a pipe as weights": (pipe("model.safetensors"), "no regular file"),
    "a pipe as config": (pipe("config.json"), "no regular file"),
    "a pipe that is not needed": (pipe("added_tokens.json"), "no regular file"),
    "a huge config.json": (huge_text("config.json"), "more than any model's"),
    "a huge picture": (
        values("processor_config.json", lambda c: c["image_processor"].update(size=10**9)),
        "a side of 1000000000, more than 8192",
    ),
    "one vector for all texts": (config("text_config", eos_token_id=5), "different texts one"),
}


@pytest.fixture(autouse=True)
def _bounded_memory() -> Iterator[None]:
    limits = resource.getrlimit(resource.RLIMIT_AS)
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + MOST_BYTES, limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, limits)


def refused(load: Callable[[], object], wanted: str) -> None:
    with pytest.raises(CueframeError) as caught:
        load()
    assert wanted in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", HARMS)
def test_an_encoder(name: str, tiny_model: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny_model, tmp_path / "model"))
    harm, wanted = HARMS[name]
    harm(folder)

    def load() -> None:
        load_encoder(str(folder), device=CPU)[0].check_images()

    refused(load, wanted)
    if "picture" not in name and "vector" not in name:  # those are known when it encodes
        refused(lambda: load_model_to_train(str(folder)), wanted)


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    ("harm", "wanted"),
    [
        (config("", hidden_size=10**7), "bytes of weights, and its config"),
        (config("", image_size=10**9), "bytes of weights, and its config"),
        (pipe("preprocessor_config.json"), "no regular file"),
        (shards("../x.safetensors"), "weights outside of its folder"),
    ],
)
def test_a_judge(harm: Harm, wanted: str, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(judge_folder(), tmp_path / "judge"))
    harm(folder)
    refused(lambda: load_judge(str(folder), device=CPU), wanted)


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    ("harm", "wanted"),
    [
        (config("text_config", hidden_size=10**9), "bytes of weights, and its config"),
        (pipe("chat_template.jinja"), "no regular file"),
        (device("processor_config.json"), "no regular file"),
        (shards("/etc/passwd"), "weights outside of its folder"),
        (text("chat_template.jinja", "{{ 'x' * 10 ** 11 }}"), "is not one for frames"),
    ],
)
def test_a_reader(harm: Harm, wanted: str, tmp_path: Path) -> None:
    folder = make_reader(tmp_path / "reader", "qwen2_5_vl")
    harm(folder)
    refused(lambda: load_reader(str(folder), device_map=CPU), wanted)


@pytest.mark.parametrize("name", ["config.json", "tokenizer_config.json", "processor_config.json"])
def test_code_of_any_part_is_never_run(name: str, tiny_model: Path, tmp_path: Path) -> None:
    """The model itself is one that transformers knows, and may be loaded without that code."""
    folder = Path(shutil.copytree(tiny_model, tmp_path / "model"))
    classes = ("AutoConfig", "AutoModel", "AutoTokenizer", "AutoProcessor", "AutoImageProcessor")
    values(name, lambda c: c.update(auto_map=dict.fromkeys(classes, "own.Own")))(folder)
    (folder / "own.py").write_text(f"open({str(tmp_path / 'it ran')!r}, 'w')\n")
    load_encoder(str(folder), device=CPU)
    load_model_to_train(str(folder))
    assert not (tmp_path / "it ran").exists()
