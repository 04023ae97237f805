"""A distilled model has its teacher's pictures and its student's texts; the route shares them."""

import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from index.errors import CueframeError
from index.models.distilled_model import Distilled, DistilledModel
from index.models.encoder import (
    Encoder,
    load_dual_model,
    load_encoder,
    ready_encoder,
    vision_fingerprint,
)
from index.models.proof import prove, text_fingerprint
from index.models.student import load_student, with_head
from infer.query_encoder import encode_texts
from tests.distilled_models import head, make_distilled, make_xlm
from tests.model_families import make_family
from tests.sentence_models import make

CPU = torch.device("cpu")
ENGLISH = ["a red truck passes the bridge", "the blue bus on the right of the car", "STOP sign"]
VIETNAMESE = ["xe tải đỏ", "Xe tải nào đi qua khi bảng hiện ngôi sao đỏ?"]


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A teacher, a student and distilled models of both, with and without a route."""
    root = tmp_path_factory.mktemp("distilled")
    made = {"teacher": make_family("clip", root / "clip"), "student": make_xlm(root / "student")}
    for name, route in (("routed", "en"), ("whole", None)):
        made[name] = make_distilled(
            root / name, made["teacher"], made["student"], route=route, languages="vi de"
        )
    return made


def loaded(folder: Path) -> Any:
    return load_dual_model(str(folder), None)


@pytest.mark.parametrize("kind", ["clip", "siglip", "align"])
def test_pictures_and_logits_are_the_teachers(kind: str, tmp_path: Path) -> None:
    teacher = make_family(kind, tmp_path / "teacher")
    student = make_xlm(tmp_path / "student")
    model = loaded(make_distilled(tmp_path / "model", teacher, student, route="en"))
    own = loaded(teacher)
    assert vision_fingerprint(model) == vision_fingerprint(own)
    pixels = torch.randint(256, (2, 3, own.transform.height, own.transform.width))
    with torch.inference_mode():
        pixels = pixels.to(torch.uint8)
        assert torch.equal(model.image_vectors(pixels), own.image_vectors(pixels))
        assert (model.scale, model.highest_scale) == (own.scale, own.highest_scale)
        model.set_log_scale(1.5)
        assert model.teacher.scale == pytest.approx(np.exp(1.5))
    if own.bias is not None:
        assert model.bias is model.teacher.bias
    prove(model)


def test_a_teacher_of_another_library(tmp_path: Path) -> None:
    teacher = make("clip", tmp_path / "teacher")
    model = make_distilled(tmp_path / "model", teacher, make_xlm(tmp_path / "xlm"), route="en")
    encoder, fingerprint = load_encoder(str(model), device=CPU)
    assert fingerprint == load_encoder(str(teacher), device=CPU)[1]
    assert encoder.text_width == encoder.width


def test_texts_are_the_students_and_composed(parts: dict[str, Path]) -> None:
    model = loaded(parts["whole"])
    alone = load_student(str(parts["student"]), pooling="mean", prompt=None)
    student = Encoder(with_head(alone, *head(24)))
    encoder = Encoder(model)
    wanted, _ = student.texts(VIETNAMESE + ENGLISH)
    np.testing.assert_array_equal(encoder.texts(VIETNAMESE + ENGLISH)[0], wanted)
    apart = [unicodedata.normalize("NFD", text) for text in VIETNAMESE]
    assert apart != VIETNAMESE
    assert model.plain_texts(apart) == VIETNAMESE
    assert model.count_tokens(apart) == model.count_tokens(VIETNAMESE)
    np.testing.assert_allclose(encoder.texts(apart)[0], wanted[:2], atol=1e-6)
    assert not np.allclose(student.texts(apart)[0], wanted[:2], atol=1e-3)


def test_each_side_reads_its_texts_as_it_would_alone(parts: dict[str, Path]) -> None:
    routed, whole, teacher = (
        ready_encoder(loaded(parts[name]), dtype="float32", device=CPU)
        for name in ("routed", "whole", "teacher")
    )
    long = " ".join(["the red truck passes the blue bus on the left of the green car."] * 20)
    texts = [VIETNAMESE[0], ENGLISH[0], long, ENGLISH[1], VIETNAMESE[1], "50", ENGLISH[2]]
    places = {"teacher": [1, 2, 3, 5, 6], "whole": [0, 4]}
    found, too_long = encode_texts(routed, texts, "windows")
    assert too_long.tolist() == [False, False, True, False, False, False, False]
    assert routed.max_tokens == teacher.max_tokens < whole.max_tokens
    for encoder, name in ((teacher, "teacher"), (whole, "whole")):
        own, _ = encode_texts(encoder, [texts[n] for n in places[name]], "windows")
        for place, vectors in zip(places[name], own, strict=True):
            np.testing.assert_array_equal(found[place], vectors)
    assert len(found[2]) > 1
    assert encode_texts(routed, [], "windows")[0] == []
    assert len(encode_texts(routed, ENGLISH[:1], "windows")[0]) == 1
    # Training and what counts tokens read all texts with the student.
    np.testing.assert_array_equal(routed.texts(ENGLISH)[0], whole.texts(ENGLISH)[0])


def test_the_fingerprint_of_texts_covers_both_sides(parts: dict[str, Path]) -> None:
    routed, whole = loaded(parts["routed"]), loaded(parts["whole"])
    before = text_fingerprint(routed), text_fingerprint(whole)
    assert before[0] != before[1]
    with torch.no_grad():
        for model in (routed, whole):
            model.module["teacher"].text_projection.weight[0, 0] += 1
    assert text_fingerprint(routed) != before[0]
    assert text_fingerprint(whole) == before[1]
    assert vision_fingerprint(routed) == vision_fingerprint(loaded(parts["teacher"]))
    with torch.no_grad():
        next(whole.module["student"].parameters()).add_(1)
    assert text_fingerprint(whole) != before[1]


def test_both_sides_are_proved(parts: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    routed = loaded(parts["routed"])
    prove(routed)
    monkeypatch.setattr(routed.teacher, "own_text_vectors", lambda texts: torch.randn(2, 24))
    with pytest.raises(CueframeError, match=r"vectors of texts .* not those of .*teacher"):
        prove(routed)
    prove(loaded(parts["whole"]))


def test_what_learns(parts: dict[str, Path]) -> None:
    model = loaded(parts["routed"])
    sides: dict[str, set[str]] = {}
    for name in model.module.state_dict():
        sides.setdefault(model.side_of(name), set()).add(name.split(".")[0])
    assert sides == {
        "text": {"student"},
        "vision": {"teacher"},
        "logits": {"teacher"},
        "unused": {"teacher"},
    }
    heads = [name for name in model.module.state_dict() if model.is_projection(name)]
    assert [model.module.state_dict()[name].shape for name in heads] == [(24, 32), (24,)]


def test_parts_that_do_not_fit(parts: dict[str, Path], tmp_path: Path) -> None:
    teacher = loaded(parts["teacher"])
    bare = load_student(str(parts["student"]), pooling="mean", prompt=None)
    fits = with_head(bare, *head(24))
    tower = loaded(make("text", tmp_path / "text"))

    def refused(
        match: str,
        teacher: Any,
        student: Any,
        *,
        route: str | None = "en",
        languages: str = "vi",
    ) -> None:
        settings = Distilled(route=route, languages=tuple(languages.split()))
        with pytest.raises(CueframeError, match=match) as caught:
            DistilledModel("it", teacher, student, settings)
        assert "\n" not in str(caught.value)

    refused("gives texts 32 values and its teacher 24", teacher, bare)
    refused("has no vision side", tower, fits)
    refused("is a distilled model itself", loaded(parts["routed"]), fits)
    refused("'xx' is none that py3langid", teacher, fits, languages="vi xx")
    refused("'EN' is none that py3langid", teacher, fits, route="EN")
    refused("names no language", teacher, fits, languages="")
    DistilledModel("it", teacher, fits, Distilled(route=None, languages=("xx",)))
