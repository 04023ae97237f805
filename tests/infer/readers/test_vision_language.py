"""Readers: what they answer, against one plain pass of the model for each question."""

import dataclasses
import functools
import json
import shutil
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import AutoModelForImageTextToText, AutoTokenizer, BertConfig

from examples.tiny_clip import make_tiny_clip
from index.errors import CueframeError
from infer.choices import LETTERS
from infer.readers.prompts import load_prompt
from infer.readers.vision_language import (
    LOWER,
    Reader,
    ReaderInput,
    generate,
    letter_probabilities,
    letter_tokens,
    load_reader,
)
from tests.fixtures_readers import END, MAKERS, START, VISION_END, VISION_START, make_reader

CPU = torch.device("cpu")
EN = load_prompt("en")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    home = tmp_path_factory.mktemp("readers")
    return {kind: make_reader(home / kind, kind) for kind in MAKERS}


@pytest.fixture(scope="module")
def loaded(folders: dict[str, Path]) -> Callable[[str], Reader]:
    return functools.cache(lambda kind: load_reader(str(folders[kind]), device_map=CPU))


@pytest.fixture
def folder(folders: dict[str, Path], tmp_path: Path) -> Path:
    """A copy of the Qwen2.5-VL that may be changed."""
    return shutil.copytree(folders["qwen2_5_vl"], tmp_path / "copy")


def noise(width: int, height: int, seed: int) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


A_FRAME = noise(64, 36, 7)
BATCH = [  # lengths, frames, their sizes and choices are all mixed
    ReaderInput([noise(40, 30, 0)], [0.5], "Red?", [("A", "Yes"), ("B", "No")]),
    ReaderInput(
        [A_FRAME, noise(20, 44, 2), noise(30, 30, 3), A_FRAME],
        [0.5, 1.0, 2.25, 9.0],
        "What colour has the car that stands left of the bridge, and why?",
        list(zip(LETTERS, "one two three four five six seven".split(), strict=False)),
    ),
    ReaderInput(
        [A_FRAME, noise(30, 30, 4)], [3.0, 4.0], "Xe màu gì?", [("A", "Đỏ"), ("B", "Xanh")]
    ),
    ReaderInput([A_FRAME], [3.0], "Which?", [(letter, f"x{letter}") for letter in LETTERS]),
    ReaderInput([A_FRAME, noise(30, 30, 4)], [3.0, 4.0], "When?", [("A", "Now"), ("B", "Then")]),
]

IMAGES = {
    "qwen2_5_vl": f"{VISION_START}<|image_pad|>{VISION_END}",
    "qwen3_vl": f"{VISION_START}<|image_pad|>{VISION_END}",
    "smolvlm": "<image>",
    "llava_onevision": "<image>",
}


def written_out(kind: str, shown: ReaderInput) -> str:
    """The whole chat of the English prompt, by hand."""
    labels = [f"Frame {k} at {time_s:.1f} s:" for k, time_s in enumerate(shown.times_s, 1)]
    ask = (
        "\nThese are frames of one video in order of time.\n"
        f"Question: {shown.question}\n"
        + "".join(f"{letter}. {text}\n" for letter, text in shown.choices)
        + "Answer with the letter of the right choice only."
    )
    image = IMAGES[kind]
    if kind == "llava_onevision":
        images = f"{image}\n" * len(labels)
        return f"{START}user {images}" + "\n".join(labels) + f"{ask}{END}\n{START}assistant\n"
    body = "\n".join(label + image for label in labels) + ask
    if kind == "smolvlm":
        return f"{START}User: {body}{END}\nAssistant:"
    return f"{START}user\n{body}{END}\n{START}assistant\n"


@functools.cache
def plain_model(folder: Path) -> Any:
    return AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32).eval()


@torch.no_grad()
def plainly(folder: Path, kind: str, reader: Reader, shown: ReaderInput) -> np.ndarray:
    """One question, one pass, softmax over the vocabulary, both spellings, normalised."""
    inputs = reader.processor(
        text=[written_out(kind, shown)], images=[list(shown.frames)], return_tensors="pt"
    )
    assert (inputs["attention_mask"] == 1).all()
    logits = plain_model(folder)(**inputs).logits[0, -1]
    shares = logits.double().softmax(-1).numpy()
    ids = reader.processor.tokenizer.convert_tokens_to_ids
    letters = [shares[ids(letter)] + shares[ids("Ġ" + letter)] for letter, _ in shown.choices]
    expected: np.ndarray = np.array(letters) / np.sum(letters)
    return expected


@pytest.mark.parametrize("kind", MAKERS)
def test_probabilities_are_those_of_one_plain_pass(
    folders: dict[str, Path], loaded: Callable[[str], Reader], kind: str
) -> None:
    reader = loaded(kind)
    expected = [plainly(folders[kind], kind, reader, shown) for shown in BATCH]
    together = letter_probabilities(reader, EN, BATCH)
    alone = [letter_probabilities(reader, EN, [shown])[0] for shown in BATCH]
    assert len({int(shares.argmax()) for shares in expected}) > 1
    for shown, plain, batched, single in zip(BATCH, expected, together, alone, strict=True):
        assert batched.shape == (len(shown.choices),)
        np.testing.assert_allclose(batched.sum(), 1)
        np.testing.assert_allclose(batched, plain, atol=1e-5)
        np.testing.assert_allclose(single, plain, atol=1e-5)
        assert batched.argmax() == single.argmax() == plain.argmax()


@pytest.mark.parametrize("kind", MAKERS)
def test_frames_times_and_words_all_count(loaded: Callable[[str], Reader], kind: str) -> None:
    reader, shown = loaded(kind), BATCH[2]

    def far(frames: Any = None, times_s: Any = None, question: str = "") -> bool:
        other = ReaderInput(
            frames or shown.frames,
            times_s or shown.times_s,
            question or shown.question,
            shown.choices,
        )
        pair = letter_probabilities(reader, EN, [shown, other])
        return bool(np.abs(pair[0] - pair[1]).max() > 1e-4)

    assert not far()
    assert far(frames=list(reversed(shown.frames)))
    assert far(times_s=[3.0, 8.0])
    assert far(question="Xe màu gì")


@pytest.mark.parametrize("kind", MAKERS)
def test_only_the_last_place_has_logits(loaded: Callable[[str], Reader], kind: str) -> None:
    reader = loaded(kind)
    seen: list[torch.Size] = []
    head = reader.model.get_output_embeddings()
    hook = head.register_forward_hook(lambda module, args, out: seen.append(out.shape))
    letter_probabilities(reader, EN, BATCH[:3])
    hook.remove()
    assert [shape[:2] for shape in seen] == [(3, 1)]


@torch.no_grad()
def likeliest(folder: Path, reader: Reader, chat: str, shown: ReaderInput, tokens: int) -> str:
    """Token after token, the whole pass each time."""
    stop = reader.processor.tokenizer.convert_tokens_to_ids(END)
    inputs = reader.processor(text=[chat], images=[list(shown.frames)], return_tensors="pt")
    begun = inputs["input_ids"].shape[1]
    for _ in range(tokens):
        token = plain_model(folder)(**inputs).logits[:, -1:].argmax(-1)
        if token.item() == stop:
            break
        inputs["input_ids"] = torch.cat([inputs["input_ids"], token], 1)
        for key, more in (("attention_mask", 1), ("mm_token_type_ids", 0)):
            if key in inputs:
                inputs[key] = torch.nn.functional.pad(inputs[key], (0, 1), value=more)
    text: str = reader.processor.tokenizer.decode(
        inputs["input_ids"][0, begun:], skip_special_tokens=True
    )
    return text.strip()


@pytest.mark.parametrize("kind", MAKERS)
def test_free_text_is_the_likeliest_token_each_time(
    folders: dict[str, Path], loaded: Callable[[str], Reader], kind: str
) -> None:
    reader = loaded(kind)
    free = [ReaderInput(shown.frames, shown.times_s, shown.question) for shown in BATCH]
    texts = generate(reader, EN, free, 6)
    for shown, text in zip(free, texts, strict=True):
        chat = written_out(kind, shown).replace(
            "Answer with the letter of the right choice only.", "Answer in one short sentence."
        )
        assert text == likeliest(folders[kind], reader, chat, shown, 6)
    assert len(set(texts)) > 1
    assert texts == [generate(reader, EN, [shown], 6)[0] for shown in free]


@pytest.mark.parametrize("kind", MAKERS)
def test_what_was_added_to_a_tokenizer_is_text_in_a_question(
    folders: dict[str, Path], loaded: Callable[[str], Reader], tmp_path: Path, kind: str
) -> None:
    """The model has no place for these words: to find one would be an error."""
    folder = Path(shutil.copytree(folders[kind], tmp_path / "copy"))
    reader = loaded(kind)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_tokens(["<think>", "</think>"])
    tokenizer.save_pretrained(folder)
    own = load_reader(str(folder), device_map=CPU)
    image = reader.processor.image_token
    texts = ("What is <think>?", f"{END} or {image}", "</think>", "At <think> {time}:")
    plain = ("What is < think>?", f"< |end|> or < {image[1:]}", "< /think>", "At < think> {time}:")

    def read(by: Reader, ask: str, one: str, other: str, label: str) -> tuple[list[float], str]:
        shown = ReaderInput(BATCH[2].frames, [1.0, 2.0], ask, [("A", one), ("B", other)])
        prompt = dataclasses.replace(EN, frame=label)
        (shares,) = letter_probabilities(by, prompt, [shown])
        (text,) = generate(by, prompt, [shown], 6)
        return shares.tolist(), text

    assert read(own, *texts) == read(reader, *plain)


def test_it_computes_in_what_it_is_told(folders: dict[str, Path]) -> None:
    for kind in ("qwen2_5_vl", "smolvlm"):
        exact = load_reader(str(folders[kind]), device_map=CPU)
        near = load_reader(str(folders[kind]), dtype="bfloat16", device_map="auto")
        assert exact.model.dtype == torch.float32
        assert near.model.dtype == torch.bfloat16
        assert not exact.model.training
        (shares,) = letter_probabilities(near, EN, BATCH[:1])
        assert shares.dtype == np.float64
        np.testing.assert_allclose(shares, letter_probabilities(exact, EN, BATCH[:1])[0], atol=0.1)


def test_the_letters_tokens_are_those_with_and_without_a_space(
    loaded: Callable[[str], Reader],
) -> None:
    for kind in MAKERS:
        reader = loaded(kind)
        names = reader.processor.tokenizer.convert_ids_to_tokens
        for letter in LETTERS:
            assert set(names(reader.letters[letter])) == {letter, "Ġ" + letter}


def test_a_chat_that_ends_in_a_space_keeps_its_letters(loaded: Callable[[str], Reader]) -> None:
    tokenizer = loaded("smolvlm").processor.tokenizer
    tokens = letter_tokens(tokenizer, "Assistant: ", "it")
    assert tokenizer.convert_tokens_to_ids("Q") in tokens["Q"]


def test_letters_without_tokens_of_their_own_are_one_line() -> None:
    def unknown(text: str, **how: object) -> dict[str, list[int]]:
        return {"input_ids": [0] * len(text)}

    def in_pieces(text: str, **how: object) -> dict[str, list[int]]:
        return {"input_ids": [byte for char in text.encode() for byte in (char, 0)]}

    for tokenizer in (unknown, in_pieces):
        with pytest.raises(CueframeError, match="no token of its own for the letter") as caught:
            letter_tokens(tokenizer, "Answer:", "it")
        assert "\n" not in str(caught.value)


def one_line(name: str | Path) -> str:
    with pytest.raises(CueframeError) as caught:
        load_reader(str(name), device_map=CPU)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_reader_that_is_not_to_be_had_is_one_line(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert "the model nobody/no-such-reader is no folder here and cannot be had" in one_line(
        "nobody/no-such-reader"
    )
    assert "cannot be loaded" in one_line(tmp_path)
    assert "cannot be had" in one_line(tmp_path / "nowhere")


@pytest.mark.parametrize(
    "name", ["config.json", "model.safetensors", "tokenizer.json", "preprocessor_config.json"]
)
def test_a_damaged_folder_is_one_line(folder: Path, name: str) -> None:
    data = (folder / name).read_bytes()
    (folder / name).write_bytes(data[: len(data) // 2])
    assert "cannot be loaded" in one_line(folder)
    (folder / name).unlink()
    assert "--reader" in one_line(folder)


def test_weights_that_are_missing_are_not_made_up(folder: Path) -> None:
    path = folder / "model.safetensors"
    weights = {k: v for k, v in load_file(path).items() if "layers.1.mlp" not in k}
    save_file(weights, path, metadata={"format": "pt"})
    assert "lacks 3 weights, such as " in one_line(folder)


def test_a_model_that_reads_no_images_and_texts_is_one_line(tmp_path: Path) -> None:
    BertConfig(hidden_size=8, num_hidden_layers=1).save_pretrained(tmp_path / "bert")
    make_tiny_clip(tmp_path / "clip", ["a question"])
    assert "is a bert model, which does not read images" in one_line(tmp_path / "bert")
    assert "is a clip model, which does not read images" in one_line(tmp_path / "clip")


@pytest.mark.skipif(find_spec("torchvision") is not None, reason="is about what needs torchvision")
def test_a_model_that_needs_a_missing_package_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "mistral3"}))
    assert "needs a package that is not installed (PixtralProcessor" in one_line(tmp_path)


def test_a_model_that_thinks_first_is_one_line(folder: Path) -> None:
    path = folder / "chat_template.jinja"
    path.write_text(path.read_text() + "<think>\n")
    assert "thinks before it answers" in one_line(folder)


def test_a_model_without_a_chat_template_is_one_line(folder: Path) -> None:
    (folder / "chat_template.jinja").unlink()
    assert "has no chat template" in one_line(folder)


@pytest.mark.parametrize("template", ["{{ 1 // 0 }}", "{% for n in range(10**9) %}{% endfor %}"])
def test_a_chat_template_that_fails_is_one_line(folder: Path, template: str) -> None:
    (folder / "chat_template.jinja").write_text(template)
    assert "is not one for frames and a question" in one_line(folder)


def test_odd_values_of_the_processor_are_one_line(folder: Path) -> None:
    path = folder / "preprocessor_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"image_mean": [0.5]}))
    assert "cannot be loaded: " in one_line(folder)


def test_out_of_memory_names_the_flag_to_lower(
    folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: object, **how: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 9 GiB.\nGPU 0 …")

    reader = load_reader(str(folders["smolvlm"]), device_map=CPU)
    monkeypatch.setattr(reader.model, "generate", full)
    for call in (
        lambda: letter_probabilities(reader, EN, BATCH[:1]),
        lambda: generate(reader, EN, BATCH[:1], 3),
    ):
        with pytest.raises(CueframeError, match="out of memory") as caught:
            call()
        assert str(caught.value).endswith(f"lower {LOWER}")
    monkeypatch.setattr(AutoModelForImageTextToText, "from_pretrained", full)
    line = one_line(folders["smolvlm"])
    assert "out of memory (CUDA out of memory. Tried" in line
    assert line.endswith("--device-map auto, or name a smaller model with --reader")


def test_numbers_that_are_not_finite_are_one_line(folders: dict[str, Path]) -> None:
    reader = load_reader(str(folders["smolvlm"]), device_map=CPU)
    torch.nn.init.constant_(reader.model.get_output_embeddings().weight, torch.nan)
    with pytest.raises(CueframeError, match="no finite numbers in float32") as caught:
        letter_probabilities(reader, EN, BATCH[:2])
    assert "--dtype" not in str(caught.value)  # float32 is the widest there is
