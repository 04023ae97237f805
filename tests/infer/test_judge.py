"""`sim_m` against its definition computed plainly, on a small DINOv2 of random weights."""

import shutil
import weakref
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import BitImageProcessorPil, PreTrainedModel

from index.errors import CueframeError
from infer.judge import SIM_THRESHOLDS, Judge, judge_vectors, load_judge, sim_m_many
from infer.metrics import sim_m
from tests.fixtures_infer import make_judge

CPU = torch.device("cpu")
Question = tuple[list[Image.Image], list[Image.Image]]


def save(folder: Path, model: PreTrainedModel) -> Path:
    model.save_pretrained(folder)
    side = {"height": 28, "width": 28}
    BitImageProcessorPil(size={"shortest_edge": 32}, crop_size=side).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_judge(tmp_path_factory.mktemp("judge"))


@pytest.fixture
def judge(folder: Path) -> Judge:
    return load_judge(str(folder), device=CPU)


@pytest.fixture(scope="module")
def questions() -> list[Question]:
    """Picked and true frames that are alike to all degrees, some of them in several questions."""
    rng = np.random.default_rng(0)
    scenes = [rng.integers(0, 256, (36, 64, 3)) for _ in range(6)]

    def frame(scene: int, blur: float) -> Image.Image:
        mixed = scenes[scene] + blur * (rng.random((36, 64, 3)) - 0.5) * 255
        return Image.fromarray(mixed.clip(0, 255).astype(np.uint8))

    queries = []
    for n in range(60):
        here = rng.permutation(6)[:4]
        true = [frame(scene, 0.0) for scene in here[: 1 + n % 2]]
        queries.append(([frame(scene, n / 40) for scene in here], true))
    return queries


def plain_sim_m(question: Question, judge: Judge, threshold: float) -> int:
    """The definition, one image at a time."""

    def cls(image: Image.Image) -> torch.Tensor:
        with torch.no_grad():
            hidden = judge.model(**judge.processor(images=[image], return_tensors="pt"))
        vector = hidden.last_hidden_state[0, 0]
        unit: torch.Tensor = vector / vector.norm()
        return unit

    picked, true = question
    return int(all(any(cls(t) @ cls(p) >= threshold for p in picked) for t in true))


def test_sim_m_is_its_definition_at_all_thresholds(judge: Judge, questions: list[Question]) -> None:
    expected = [[plain_sim_m(q, judge, m) for m in SIM_THRESHOLDS] for q in questions]
    shares = np.mean(expected, axis=0)
    assert (np.diff(shares) < 0).all()  # the pictures tell every threshold from the next
    assert 0 < shares[-1] < shares[0] < 1
    np.testing.assert_array_equal(sim_m_many(questions, judge), expected)
    for (picked, true), row in zip(questions[::9], expected[::9], strict=True):
        alone = [sim_m(picked, true, judge.model, judge.processor, m) for m in SIM_THRESHOLDS]
        assert alone == row
        assert sim_m(picked, true, judge.model, judge.processor) == row[0]


def test_each_distinct_image_passes_the_judge_once(judge: Judge, questions: list[Question]) -> None:
    distinct = {frame.tobytes() for picked, true in questions for frame in (*picked, *true)}
    assert len(distinct) < sum(len(picked) + len(true) for picked, true in questions)
    seen: list[int] = []

    def count(model: object, inputs: object, kept: dict[str, torch.Tensor]) -> None:
        seen.append(len(kept["pixel_values"]))

    judge.model.register_forward_pre_hook(count, with_kwargs=True)
    sim_m_many(questions, judge, batch_images=7)
    assert sum(seen) == judge.passes == len(distinct)
    assert set(seen[:-1]) == {7}


def test_the_size_of_a_batch_changes_no_vector(judge: Judge, questions: list[Question]) -> None:
    images = [frame for picked, _ in questions[:3] for frame in picked]
    alone, rows = judge_vectors(images, judge, batch_images=1)
    together, same_rows = judge_vectors(images, judge, batch_images=64)
    np.testing.assert_array_equal(rows, same_rows)
    np.testing.assert_allclose(alone, together, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(alone, axis=1), 1.0, atol=1e-6)
    assert alone.dtype == np.float32


def test_images_are_distinct_by_size_and_pixels(judge: Judge) -> None:
    wide, tall = Image.new("RGB", (40, 30)), Image.new("RGB", (30, 40))
    images = [wide, tall, wide.copy(), Image.new("L", (40, 30)), Image.new("RGB", (40, 30), "red")]
    vectors, rows = judge_vectors(images, judge)
    assert rows.tolist() == [0, 1, 0, 0, 2]
    assert vectors.shape == (3, 32)


def test_pictures_are_let_go_as_the_questions_come(judge: Judge) -> None:
    gone: list[int] = []
    most = 0

    def stream() -> Iterator[Question]:
        nonlocal most
        for n in range(50):
            assert not torch.is_inference_mode_enabled()  # what decodes and picks here is its own
            frames = [Image.new("RGB", (40, 30), (n, side, 0)) for side in range(5)]
            for frame in frames:
                weakref.finalize(frame, gone.append, n)
            most = max(most, 5 * (n + 1) - len(gone))
            yield frames[:4], frames[4:]

    assert sim_m_many(stream(), judge).shape == (50, 5)
    assert judge.passes == 250
    assert most <= 10


def test_no_pick_matches_nothing_and_no_question_is_an_empty_table(judge: Judge) -> None:
    true = [Image.new("RGB", (40, 30))]
    assert sim_m_many([([], true)], judge).tolist() == [[0] * 5]
    assert sim_m_many([([], true), (true, true)], judge, [0.5]).tolist() == [[0], [1]]
    assert sim_m_many([], judge).shape == (0, 5)


def test_a_question_without_true_frames_is_refused(judge: Judge) -> None:
    image = Image.new("RGB", (40, 30))
    with pytest.raises(ValueError, match="question 1 has no true frame"):
        sim_m_many([([image], [image]), ([image], [])], judge)


def test_the_judge_computes_in_float32_unless_told(folder: Path) -> None:
    assert load_judge(str(folder), device=CPU).model.dtype == torch.float32
    half = load_judge(str(folder), device=CPU, dtype="bfloat16")
    assert half.model.dtype == torch.bfloat16
    vectors, _ = judge_vectors([Image.new("RGB", (40, 30))], half)
    assert vectors.dtype == np.float32


def one_line(name: str | Path) -> str:
    with pytest.raises(CueframeError) as error:
        load_judge(str(name), device=CPU)
    assert "\n" not in str(error.value)
    assert "--judge" in str(error.value)
    return str(error.value)


def test_a_judge_that_is_not_to_be_had_is_one_line(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert "nobody/no-such-judge is no folder here and cannot be had" in one_line(
        "nobody/no-such-judge"
    )
    assert "cannot be loaded" in one_line(tmp_path)
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    assert "cannot be loaded" in one_line(tmp_path)


def test_a_model_without_a_cls_vector_is_one_line(tmp_path: Path) -> None:
    from transformers import ResNetConfig, ResNetModel, SiglipVisionConfig, SiglipVisionModel

    from examples.tiny_clip import make_tiny_clip

    resnet = ResNetConfig(depths=[1, 1], hidden_sizes=[8, 16], embedding_size=8)
    save(tmp_path / "resnet", ResNetModel(resnet))
    siglip = SiglipVisionConfig(
        hidden_size=16, intermediate_size=16, num_attention_heads=1, image_size=28, patch_size=14
    )
    save(tmp_path / "siglip", SiglipVisionModel(siglip))
    make_tiny_clip(tmp_path / "clip", ["a question"])
    for name in ("resnet", "siglip", "clip"):
        assert "without a CLS vector" in one_line(tmp_path / name)


def test_a_judge_of_numbers_that_are_not_finite_is_refused(folder: Path, tmp_path: Path) -> None:
    broken = Path(shutil.copytree(folder, tmp_path / "broken"))
    tensors = load_file(broken / "model.safetensors")
    tensors["layernorm.weight"][:] = torch.nan
    save_file(tensors, broken / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(
        CueframeError, match=r"^the judge .*broken computes no finite .* in float32"
    ):
        load_judge(str(broken), device=CPU)


def test_a_vector_that_is_not_finite_is_no_verdict(judge: Judge, questions: list[Question]) -> None:
    with torch.no_grad():
        judge.model.layernorm.weight[:] = torch.nan
    with pytest.raises(CueframeError, match="fetch it again, or name another --judge"):
        sim_m_many(questions[:1], judge)
