from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from transformers import (
    AutoImageProcessor,
    AutoModel,
    AutoProcessor,
    AutoTokenizer,
    CLIPModel,
    CLIPProcessor,
    PreTrainedTokenizerBase,
)

from examples.tiny_clip import (
    END,
    START,
    TinyClipConfig,
    learn_merges,
    make_tiny_clip,
    read_texts,
    tiny_clip,
)
from index.errors import CueframeError

TEXTS = ["Which truck passes when the board shows a red heart?", "xe tải màu đỏ", "a blue bus"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clip")
    make_tiny_clip(folder, TEXTS)
    return folder


@pytest.fixture(scope="module")
def tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    return AutoTokenizer.from_pretrained(folder)


def test_it_loads_like_any_clip(folder: Path) -> None:
    model = AutoModel.from_pretrained(folder)
    assert isinstance(model, CLIPModel)
    assert 700_000 < sum(weights.numel() for weights in model.parameters()) < 1_300_000
    assert isinstance(AutoProcessor.from_pretrained(folder), CLIPProcessor)


def test_pictures_become_the_middle_square(folder: Path) -> None:
    images = AutoImageProcessor.from_pretrained(folder)
    wide = Image.new("RGB", (320, 180), "red")
    wide.paste("blue", (70, 0, 250, 180))
    pixels = images(wide, return_tensors="pt")["pixel_values"]
    assert pixels.shape == (1, 3, 64, 64)
    assert pixels[0, 2, :, 2:-2].min() > pixels[0, 0, :, 2:-2].max()
    vector = AutoModel.from_pretrained(folder).get_image_features(pixel_values=pixels)
    assert vector.pooler_output.shape == (1, 64)


def test_a_texts_vector_is_read_at_its_end(
    folder: Path, tokenizer: PreTrainedTokenizerBase
) -> None:
    model = CLIPModel.from_pretrained(folder).eval()
    batch = tokenizer(["a red bus", TEXTS[0]], padding=True, return_tensors="pt")
    ends = batch["attention_mask"].sum(1) - 1
    assert (batch["input_ids"][[0, 1], ends] == tokenizer.eos_token_id).all()
    with torch.no_grad():
        text = model.text_model(**batch)
        alone = model.text_model(**tokenizer("a red bus", return_tensors="pt"))
    assert torch.equal(text.pooler_output, text.last_hidden_state[[0, 1], ends])
    torch.testing.assert_close(text.pooler_output[:1], alone.pooler_output, rtol=0, atol=1e-5)


def test_words_of_the_texts_are_single_tokens(tokenizer: PreTrainedTokenizerBase) -> None:
    assert tokenizer.convert_ids_to_tokens(tokenizer("A RED truck").input_ids) == [
        START,
        *("a</w>", "red</w>", "truck</w>"),
        END,
    ]
    assert len(tokenizer("xe tải màu đỏ").input_ids) == 6
    assert tokenizer.model_max_length == 77


@given(text=st.text(max_size=40).filter(lambda text: "|>" not in text))
def test_no_text_is_unknown(tokenizer: PreTrainedTokenizerBase, text: str) -> None:
    inner = tokenizer(text).input_ids[1:-1]
    assert tokenizer.eos_token_id not in inner
    assert tokenizer.bos_token_id not in inner


def test_vocabulary_is_numbered_without_a_gap_and_ends_with_the_end() -> None:
    vocabulary, merges = learn_merges(TEXTS, 20)
    assert len(merges) == 20
    assert list(vocabulary.values()) == list(range(len(vocabulary)))
    assert len(vocabulary) == 2 * 256 + 20 + 2
    assert list(vocabulary)[-2:] == [START, END]


def test_a_seed_always_gives_the_same_files(folder: Path, tmp_path: Path) -> None:
    torch.manual_seed(11)
    expected = torch.rand(1)
    torch.manual_seed(11)
    make_tiny_clip(tmp_path / "same", TEXTS, seed=0)
    assert torch.equal(torch.rand(1), expected), "the caller's random state was touched"
    make_tiny_clip(tmp_path / "other", TEXTS, seed=1)
    assert {path.name for path in folder.iterdir()} >= {"model.safetensors", "config.json"}
    for file in folder.iterdir():
        assert file.read_bytes() == (tmp_path / "same" / file.name).read_bytes()
    weights = "model.safetensors"
    assert (folder / weights).read_bytes() != (tmp_path / "other" / weights).read_bytes()


def test_sizes_can_be_chosen(tmp_path: Path) -> None:
    make_tiny_clip(tmp_path, TEXTS, image_size=32, patch_size=8, width=32, layers=1, merges=5)
    model = CLIPModel.from_pretrained(tmp_path)
    pixels = torch.zeros(1, 3, 32, 32)
    assert model.get_image_features(pixel_values=pixels).pooler_output.shape == (1, 16)
    assert AutoImageProcessor.from_pretrained(tmp_path).crop_size["height"] == 32


def test_command_reads_questions_and_choices(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    questions = tmp_path / "questions.json"
    questions.write_text('{"data": [{"question": "Which bus?", "choices": ["A. red", "B. blue"]}]}')
    assert read_texts(questions) == ["Which bus?", "A. red", "B. blue"]
    assert tiny_clip(TinyClipConfig(folder=tmp_path / "clip", questions=questions)) == 0
    assert capsys.readouterr().out == f"made an untrained CLIP in {tmp_path / 'clip'}\n"
    AutoModel.from_pretrained(tmp_path / "clip")


@pytest.mark.parametrize("text", ["{", "[]", '{"data": [{"question": "Which?"}]}', '{"data": 3}'])
def test_a_file_without_questions_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "questions.json").write_text(text)
    with pytest.raises(CueframeError, match=r"holds no questions; scenes\.py draws some"):
        read_texts(tmp_path / "questions.json")


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CueframeError, match=r"No such file or directory\); see --questions"):
        read_texts(tmp_path / "none.json")
