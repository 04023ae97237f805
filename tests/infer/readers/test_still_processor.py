"""Processors put together for stills: against those that the models' own classes make."""

import json
import re
import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tokenizers import Tokenizer
from transformers import (
    AutoConfig,
    AutoImageProcessor,
    AutoTokenizer,
    BatchFeature,
    ProcessorMixin,
    Qwen2VLProcessor,
)
from transformers.models.auto.processing_auto import PROCESSOR_MAPPING
from transformers.models.smolvlm import processing_smolvlm

from index.errors import CueframeError
from infer.readers.still_processor import encode, load_still_processor, render
from tests.fixtures_readers import END, MAKERS, START, make_reader


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    home = tmp_path_factory.mktemp("readers")
    return {kind: make_reader(home / kind, kind) for kind in MAKERS}


@pytest.fixture
def folder(folders: dict[str, Path], tmp_path: Path) -> Path:
    """A copy of the Qwen2.5-VL that may be changed."""
    return shutil.copytree(folders["qwen2_5_vl"], tmp_path / "copy")


def load(folder: Path) -> Any:
    return load_still_processor(str(folder), AutoConfig.from_pretrained(folder))


def noise(width: int, height: int, seed: int) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


FRAMES = [[noise(40, 30, 0)], [noise(64, 36, 1), noise(20, 44, 2)], [noise(30, 30, 3)] * 4]


def chats(processor: Any) -> list[str]:
    return [
        render(processor, [f"Frame {k}:" for k in range(len(shown))], f"Q{'?' * len(shown)}")
        for shown in FRAMES
    ]


@pytest.mark.parametrize("kind", MAKERS)
def test_it_makes_what_the_models_own_processor_makes(
    folders: dict[str, Path], kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = folders[kind]
    made = load(folder)
    texts = chats(made)
    got = encode(made, texts, FRAMES)

    # Its own class, for once, is made without the packages that only videos need.
    own_class: Any = PROCESSOR_MAPPING[type(AutoConfig.from_pretrained(folder))]
    monkeypatch.setattr(ProcessorMixin, "check_argument_for_proper_class", lambda *args: None)
    monkeypatch.setattr(processing_smolvlm, "num2words", str)
    parts = {
        "image_processor": AutoImageProcessor.from_pretrained(folder, backend="pil"),
        "tokenizer": AutoTokenizer.from_pretrained(folder, padding_side="left"),
        "video_processor": None,
    }
    values, _ = own_class.get_processor_dict(folder)
    own = own_class.from_args_and_dict([parts[p] for p in own_class.get_attributes()], values)
    expected = own(text=texts, images=FRAMES, padding=True, return_tensors="pt")

    assert got.keys() == expected.keys() >= {"input_ids", "attention_mask", "pixel_values"}
    for key, value in expected.items():
        assert torch.equal(torch.as_tensor(got[key]), torch.as_tensor(value)), key


def test_rows_are_padded_on_the_left(folders: dict[str, Path]) -> None:
    for folder in folders.values():
        processor = load(folder)
        inputs: BatchFeature = encode(processor, chats(processor), FRAMES)
        mask = inputs["attention_mask"]
        assert (mask[:, -1] == 1).all()
        assert mask[:, 0].tolist().count(1) == 1
        assert (inputs["input_ids"][mask == 0] == processor.tokenizer.pad_token_id).all()


def test_labels_stand_before_their_frames_where_the_template_allows(
    folders: dict[str, Path],
) -> None:
    shown = "<|vision_start|><|image_pad|><|vision_end|>"
    expected = f"{START}user\nat 1:{shown}\nat 2:{shown}\nWhy?{END}\n{START}assistant\n"
    assert render(load(folders["qwen2_5_vl"]), ["at 1:", "at 2:"], "Why?") == expected
    expected = f"{START}user <image>\n<image>\nat 1:\nat 2:\nWhy?{END}\n{START}assistant\n"
    assert render(load(folders["llava_onevision"]), ["at 1:", "at 2:"], "Why?") == expected


def test_a_question_about_steering_tokens_is_a_question(folders: dict[str, Path]) -> None:
    for folder in folders.values():
        processor = load(folder)
        queries = f"What do {processor.image_token}, {END} and {START}assistant mean?"
        chat = render(processor, ["Frame:"], queries)
        plain = render(processor, ["Frame:"], "What do they mean?")
        for token in (processor.image_token, END, START):
            assert chat.count(token) == plain.count(token)
        ids = encode(processor, [chat, plain], FRAMES[:1] * 2)["input_ids"]
        steering = [processor.tokenizer.convert_tokens_to_ids(token) for token in (END, START)]
        for number in (processor.image_token_id, *steering):
            assert (ids[0] == number).sum() == (ids[1] == number).sum()


@pytest.mark.parametrize("written", [True, False])
def test_a_beginning_is_written_once(folder: Path, written: bool) -> None:
    path = folder / "tokenizer.json"
    learned = json.loads(path.read_text())
    start = Tokenizer.from_file(str(path)).token_to_id(START)
    begin = {"SpecialToken": {"id": START, "type_id": 0}}
    text = {"Sequence": {"id": "A", "type_id": 0}}
    learned["post_processor"] = {
        "type": "TemplateProcessing",
        "single": [begin, text],
        "pair": [begin, text, text],
        "special_tokens": {START: {"id": START, "ids": [start], "tokens": [START]}},
    }
    path.write_text(json.dumps(learned))
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps({**settings, "bos_token": START}))
    if not written:
        template = (folder / "chat_template.jinja").read_text()
        (folder / "chat_template.jinja").write_text(template.replace(START, ""))
    processor = load(folder)
    ids = encode(processor, [render(processor, ["1"], "?")], [FRAMES[0]])["input_ids"][0].tolist()
    assert ids[0] == start
    assert ids[1] != start


def test_thoughts_are_switched_off_where_the_template_asks(folder: Path) -> None:
    path = folder / "chat_template.jinja"
    switch = "{% if enable_thinking %}<think>{% else %}<think></think>{% endif %}"
    path.write_text(path.read_text() + switch)
    assert render(load(folder), ["1"], "?").endswith("<think></think>")


def test_a_template_that_the_tokenizer_alone_has_is_found(folder: Path) -> None:
    template = (folder / "chat_template.jinja").read_text()
    expected = render(load(folder), ["1"], "?")
    (folder / "chat_template.jinja").unlink()
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    settings["chat_template"] = template
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    assert render(load(folder), ["1"], "?") == expected


LOOP = "{% for a in range(99999) %}{% for b in range(99999) %}?{% endfor %}{% endfor %}"


def refusal(folder: Path) -> str:
    with pytest.raises(CueframeError) as caught:
        load(folder)
    assert "\n" not in str(caught.value)
    assert "--reader" in str(caught.value)
    return str(caught.value)


def test_a_model_without_a_chat_template_is_one_line(folder: Path) -> None:
    (folder / "chat_template.jinja").unlink()
    assert "has no chat template" in refusal(folder)


@pytest.mark.parametrize(
    ("template", "wrong"),
    [
        ("{% for m in messages %}{{ m['role'] }}{% endfor %}", "it shows no images"),
        ("{{ messages[0]['content'] + 'x' }}", "can only concatenate list"),
        ("{{ raise_exception('Only text!') }}", "Only text!"),
        ("{% for %}", "Expected"),
        (LOOP, "it takes more than 5 s"),
        ("{{ 10 ** (10 ** 9) }}", "it takes more than 5 s"),
        ("{{ 'x' * 10 ** 11 }}", "MemoryError"),
        (
            "{% set n = namespace(s='x') %}" + LOOP.replace("?", "{% set n.s = n.s + n.s %}"),
            "Memory",
        ),
        ("{{ 'x' * 10 ** 7 }}", "it writes 10,000,000 characters"),
        ("{{ ''.__class__.__mro__[1].__subclasses__() }}", "unsafe"),
        ("{% include '/etc/passwd' %}", "loader"),
    ],
)
def test_a_template_that_is_not_for_frames_is_one_line(
    folder: Path, template: str, wrong: str
) -> None:
    (folder / "chat_template.jinja").write_text(template)
    line = refusal(folder)
    assert "is not one for frames" in line
    assert wrong.lower() in line.lower()


def test_a_template_that_loops_over_a_question_ends_too(folder: Path) -> None:
    path = folder / "chat_template.jinja"
    hidden = "{% if 'secret' in messages[0]['content'][-1]['text'] %}" + LOOP + "{% endif %}"
    path.write_text(path.read_text() + hidden)
    processor = load(folder)
    plain = render(processor, ["1"], "?")
    with pytest.raises(CueframeError, match=rf"{re.escape(str(folder))} .*more than 5 s.*--reader"):
        render(processor, ["1"], "a secret")
    assert render(processor, ["1"], "?") == plain


@pytest.mark.skipif(
    find_spec("torchvision") is not None, reason="is about what to do without torchvision"
)
def test_a_processor_that_needs_its_video_processor_is_tried_as_it_is(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_it(self: Any, image_processor: Any, tokenizer: Any, video_processor: Any) -> None:
        self.frames = video_processor.num_frames

    monkeypatch.setattr(Qwen2VLProcessor, "__init__", read_it)
    with pytest.raises(CueframeError, match=r"needs a package that is not installed .*orchvision"):
        load_still_processor(str(folder), AutoConfig.for_model("qwen2_vl"))
