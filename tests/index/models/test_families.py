"""Every family: its vectors are the model's own, and it indexes, answers and trains."""

import inspect
import json
import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
import transformers
from PIL import Image
from transformers import AutoImageProcessor, AutoModel, AutoProcessor

from index.build import BuildConfig, build
from index.decoding.decoders import read
from index.decoding.frame_types import every
from index.errors import CueframeError
from index.models.encoder import Encoder, load_encoder
from index.models.families import FAMILIES, family_of, text_positions
from infer.answer import answer
from infer.answering.config import AnswerConfig
from tests.fixtures_infer import stored, write_questions
from tests.fixtures_train import trained
from tests.model_families import FAMILIES as SMALL
from tests.model_families import make_family
from tests.paths import ROOT
from tests.videos import make

CPU = torch.device("cpu")
TEXTS = [
    "a red truck",
    "where is the blue bus",
    "bus",
    "the car passes left of the green truck on the right",
    "xe tải đỏ",
    "a bus passes the truck",
    "on the right",
    "red",
]
HOW: dict[str, dict[str, Any]] = {
    "siglip": {"padding": "max_length"},
    "siglip2": {},
    "align": {},
    "tipsv2": {},
    "owlvit": {"truncation": True},
    "flava": {"padding": "max_length", "max_length": 77},
}
"""How each model's page calls its processor; the others with padding=True."""


def picture(size: tuple[int, int], seed: int) -> Image.Image:
    """Noise in large spots: pictures that differ after any resizing."""
    spots = np.random.default_rng(seed).integers(0, 256, (4, 5, 3), dtype=np.uint8)
    return Image.fromarray(spots).resize(size, Image.Resampling.BICUBIC)


IMAGES = [picture(size, n) for n, size in enumerate([(320, 180), (64, 64), (90, 200), (31, 55)])]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "family" in metafunc.fixturenames:
        names = [
            pytest.param(
                name,
                marks=pytest.mark.skipif(
                    any(
                        find_spec(package) is None
                        for package in (FAMILIES[name].package,)
                        if package
                    ),
                    reason=f"{FAMILIES[name].package} is not installed",
                ),
            )
            for name in SMALL
        ]
        metafunc.parametrize("family", names)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {}


@pytest.fixture
def folder(family: str, folders: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    if family not in folders:
        folders[family] = make_family(family, tmp_path_factory.mktemp("family") / "model")
    return folders[family]


@pytest.fixture(scope="module")
def encoders() -> dict[str, Encoder]:
    return {}


@pytest.fixture
def encoder(family: str, folder: Path, encoders: dict[str, Encoder]) -> Encoder:
    """Not to be changed."""
    if family not in encoders:
        encoders[family] = load_encoder(str(folder), device=CPU)[0]
    return encoders[family]


@torch.no_grad()
def own_vectors(
    family: str, folder: Path
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
    """Unit vectors of IMAGES and TEXTS, and the model's logits, by transformers alone.

    Texts are padded among others.
    """
    logits = None
    processor = AutoProcessor.from_pretrained(folder, backend="pil")
    pictures = AutoImageProcessor.from_pretrained(folder, backend="pil")(
        IMAGES, return_tensors="pt"
    )
    texts = processor(text=TEXTS, return_tensors="pt", **HOW.get(family, {"padding": True}))
    if family == "blip for retrieval":
        model = transformers.BlipForImageTextRetrieval.from_pretrained(folder).eval()
        images = model.vision_proj(model.vision_model(**pictures).last_hidden_state[:, 0])
        words = model.text_proj(model.text_encoder(**texts).last_hidden_state[:, 0])
    elif family == "flava":
        model = transformers.FlavaModel.from_pretrained(folder).eval()
        images = model.image_projection(model.image_model(**pictures).last_hidden_state[:, 0])
        words = model.text_projection(model.text_model(**texts).last_hidden_state[:, 0])
    else:
        model = AutoModel.from_pretrained(folder, attn_implementation="eager").eval()
        known = inspect.signature(model.forward).parameters
        both = {key: value for key, value in {**pictures, **texts}.items() if key in known}
        made = model(**both)
        images, words, logits = made.image_embeds, made.text_embeds, made.logits_per_text
    return F.normalize(images, dim=-1), F.normalize(words, dim=-1), logits


def farthest(mine: torch.Tensor, theirs: torch.Tensor) -> float:
    return float((1 - (mine * theirs).sum(dim=-1)).max())


def apart(vectors: torch.Tensor) -> float:
    """How far the two most alike of all vectors are apart."""
    return float(1 - (vectors @ vectors.T).fill_diagonal_(-1).max())


def images_of(encoder: Encoder, size: int) -> torch.Tensor:
    pixels = np.stack([encoder.transform.apply(image) for image in IMAGES])
    return torch.cat([encoder.images(pixels[n : n + size]) for n in range(0, len(pixels), size)])


def test_vectors_are_the_models_own(family: str, folder: Path, encoder: Encoder) -> None:
    images, texts, logits = own_vectors(family, folder)
    for size in (1, 8):
        assert farthest(images_of(encoder, size), images) < 1e-6
        assert farthest(torch.from_numpy(encoder.texts(TEXTS, size)[0]), texts) < 1e-6
    with torch.no_grad():
        assert farthest(F.normalize(encoder.model.own_image_vectors(IMAGES), dim=-1), images) < 1e-6
        assert farthest(F.normalize(encoder.model.own_text_vectors(TEXTS), dim=-1), texts) < 1e-6
    assert min(apart(images), apart(texts)) > 1e-4  # so the differences say something
    if logits is not None:
        bias = 0.0 if encoder.model.bias is None else encoder.model.bias.item()
        assert torch.allclose(logits, encoder.scale * texts @ images.T + bias, atol=1e-3)


def test_a_text_alone_has_the_vector_that_it_has_among_others(encoder: Encoder) -> None:
    beside, _ = encoder.texts(TEXTS, 8)
    for text, vector in zip(TEXTS, beside, strict=True):
        assert np.abs(encoder.texts([text])[0][0] - vector).max() < 1e-5


def test_weights_without_gradient_are_known(encoder: Encoder) -> None:
    """A weight that learns by name and has no gradient would stop training on several devices."""
    dual = encoder.model
    pixels = np.stack([dual.transform.apply(image) for image in IMAGES])
    reached = {}
    for side, vectors in (
        ("vision", dual.image_vectors(torch.from_numpy(pixels).permute(0, 3, 1, 2))),
        ("text", dual.text_vectors(dual.tokens(TEXTS))),
    ):
        dual.module.zero_grad(set_to_none=True)
        torch.autograd.backward((vectors * torch.randn(vectors.shape)).sum())
        reached[side] = {
            name for name, weight in dual.module.named_parameters() if weight.grad is not None
        }
    dual.module.zero_grad(set_to_none=True)
    for side, names in reached.items():
        assert names == {n for n, _ in dual.module.named_parameters() if dual.side_of(n) == side}


@pytest.mark.filterwarnings("ignore:'pin_memory'")
def test_it_indexes_answers_and_trains(family: str, folder: Path, tmp_path: Path) -> None:
    video, index = tmp_path / "v.mp4", tmp_path / "index"
    make(video, "b_frames")
    assert build(BuildConfig(videos=video, index=index, model=str(folder), workers=1)) == 0
    encoder, fingerprint = load_encoder(str(folder), device=CPU)
    vectors, time_s, _ = stored(index, video)
    frames = {frame.time_s: frame.image for frame in read(video, every(2.0))}
    with torch.no_grad():
        own = encoder.model.own_image_vectors([frames[second] for second in time_s])
    assert np.abs(F.normalize(own, dim=-1).numpy() - vectors).max() < 1e-3  # float16

    record = {"video_path": "v.mp4", "question": "a red truck", "choices": ["bus", "the car"]}
    questions = write_questions(tmp_path / "q.json", record)
    output = tmp_path / "a.jsonl"
    config = AnswerConfig(
        questions=str(questions), index=(index,), output=str(output), reader="clip", frames=2
    )
    assert answer(config) == 0
    said = json.loads(output.read_text())
    text = encoder.texts(["a red truck"])[0][0]
    for frame in said["frames"]:
        row = int(np.argmin(np.abs(time_s - frame["time_s"])))
        assert frame["score"] == pytest.approx(vectors[row] @ text, abs=1e-3)
    assert said["answer"]

    out = trained(
        tmp_path / "out", model=str(folder), epochs=1, batch_size=38, accumulation_steps=1
    )
    again, other = load_encoder(str(out), device=CPU)
    assert other != fingerprint
    moved = {
        encoder.model.side_of(name)
        for name, weight in encoder.model.module.state_dict().items()
        if not torch.equal(weight, again.model.module.state_dict()[name])
    }
    assert {"vision", "text"} <= moved <= {"vision", "text", "logits"}
    assert again.scale == pytest.approx(encoder.scale, rel=0.05)
    step = json.loads((out / "metrics.jsonl").read_text().splitlines()[0])
    if FAMILIES[family].scale != "none":
        assert again.scale == pytest.approx(step["scale"], rel=1e-4)


def test_the_page_of_models_has_every_family() -> None:
    page = (ROOT / "docs" / "models.md").read_text()
    listed = re.findall(r"^\| ([^|]+?) \| ", page, re.MULTILINE)
    assert {family.title for family in FAMILIES.values()} <= set(listed)


def test_every_family_that_is_not_refused_is_tried_here() -> None:
    assert set(SMALL) == {name for name, family in FAMILIES.items() if not family.refusal}


def refusal(folder: Path, **config: Any) -> str:
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(CueframeError) as refused:
        load_encoder(str(folder), device=CPU)
    assert "\n" not in str(refused.value)
    assert "--view" not in str(refused.value).replace("no --view does", "")
    return str(refused.value)


def test_what_is_no_encoder_of_frames_is_one_line(tmp_path: Path) -> None:
    assert "encodes clips of several frames" in refusal(tmp_path, model_type="xclip")
    assert "scaled by SciPy" in refusal(tmp_path, model_type="owlv2")
    assert "32 vectors of a picture" in refusal(tmp_path, model_type="blip-2")
    captions = {"model_type": "blip", "architectures": ["BlipForConditionalGeneration"]}
    assert "writes captions or answers" in refusal(tmp_path, **captions)


def test_a_package_that_is_missing_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("index.models.model_loading.find_spec", lambda name: None)
    line = refusal(tmp_path, model_type="tipsv2")
    assert "install it with pip install torchvision" in line


def test_positions_after_the_padding_token_are_not_counted() -> None:
    two = transformers.VisionTextDualEncoderConfig.from_vision_text_configs(
        transformers.ViTConfig(), transformers.RobertaConfig(max_position_embeddings=514)
    )
    assert text_positions(two) == 512
    assert text_positions(transformers.AltCLIPConfig()) == 512
    assert text_positions(transformers.CLIPConfig()) == 77
    assert family_of(two).title == "VisionTextDualEncoder"


@pytest.mark.parametrize("view", ["center", "stretch", "pad", "tiles"])
def test_a_model_of_patches_has_one_view(
    view: Any, folders: dict[str, Path], tmp_path: Path
) -> None:
    folder = folders.get("siglip2") or make_family("siglip2", tmp_path / "model")
    with pytest.raises(CueframeError, match=f"--view {view} is not for this model.*leave --view"):
        load_encoder(str(folder), view=view, device=CPU)


def test_the_view_of_patches_is_for_no_other_model(
    folders: dict[str, Path], tmp_path: Path
) -> None:
    folder = folders.get("clip") or make_family("clip", tmp_path / "model")
    with pytest.raises(CueframeError, match="--view native is for models that"):
        load_encoder(str(folder), view="native", device=CPU)
