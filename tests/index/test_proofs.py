"""A side of an encoder is proved once for the same weights and libraries."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from index.build import BuildConfig, build
from index.errors import CueframeError
from index.models import proof
from index.models.library_versions import versions_here
from index.storage.store import read_profile
from infer.answer import answer
from infer.answering.config import AnswerConfig
from tests.fixtures_infer import world, write_questions


@pytest.fixture
def proved(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The sides that were proved."""
    world()  # is built once, not to be counted
    sides: list[str] = []

    def counted(side: str) -> Any:
        right = getattr(proof, f"prove_{side}")

        def prove(model: Any) -> float | None:
            sides.append(side)
            found: float | None = right(model)
            return found

        return prove

    for side in ("images", "texts"):
        monkeypatch.setattr(f"index.proofs.prove_{side}", counted(side))
    return sides


def proofs_of(index: Path) -> list[Path]:
    return [path for path in (index / "proofs").iterdir() if not path.name.startswith("model-")]


def built(index: Path, **flags: Any) -> int:
    config = BuildConfig(videos=world().videos / "few.mp4", index=index, workers=1, **flags)
    return build(config)


def asked(index: Path, folder: Path, model: Path | None = None) -> int:
    questions = write_questions(folder / "q.json", {"video_path": "few.mp4"})
    output = str(folder / "answers.jsonl")
    names = (str(model),) if model else ()
    config = AnswerConfig(questions=str(questions), index=(index,), output=output, model=names)
    return answer(config)


def test_a_side_is_proved_once_and_again_with_other_libraries(
    tmp_path: Path, proved: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    index, model = tmp_path / "index", str(world().model)
    assert built(index, model=model) == 0
    assert len(proofs_of(index)) == 2
    path = index / "proofs" / f"{read_profile(index).fingerprint}.json"
    content = json.loads(path.read_text())
    assert (content["side"], content["versions"]) == ("vision", versions_here())
    assert 0 <= content["difference"] < proof.MOST_DIFFERENCE
    assert built(index) == built(index, rebuild=True) == asked(index, tmp_path) == 0
    assert proved == ["images", "texts"]
    with monkeypatch.context() as patch:
        other = {**versions_here(), "transformers": "5.0.0"}
        for place in ("index.proofs", "index.models.files_state"):
            patch.setattr(f"{place}.versions_here", lambda: other)
        assert built(index) == 0
    assert proved == ["images", "texts"] * 2
    assert json.loads(path.read_text())["versions"] == other
    assert len(proofs_of(index)) == 2


def test_a_text_side_that_fails_is_told_to_who_asks(
    tmp_path: Path, proved: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_model: Any) -> None:
        raise CueframeError("off")

    index = tmp_path / "index"
    with monkeypatch.context() as patch:
        patch.setattr("index.proofs.prove_texts", refuse)
        assert built(index, model=str(world().model)) == 0
        with pytest.raises(CueframeError, match="off"):
            asked(index, tmp_path)
    assert asked(index, tmp_path) == 0
    assert proved == ["images", "texts"]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"versions": 1}', "[" * 100_000])
def test_a_damaged_file_is_no_proof_and_no_error(
    tmp_path: Path, proved: list[str], text: str
) -> None:
    index = tmp_path / "index"
    shutil.copytree(world().index, index)
    for path in (index / "proofs").iterdir():
        path.write_text(text)
    assert built(index) == 0
    assert proved == ["images", "texts"]


def test_a_folder_that_cannot_be_written_is_no_error(tmp_path: Path, proved: list[str]) -> None:
    index = tmp_path / "index"
    shutil.copytree(world().index, index)
    shutil.rmtree(index / "proofs")
    (index / "proofs").touch()
    assert asked(index, tmp_path) == asked(index, tmp_path) == 0
    assert proved == ["texts"] * 2


def test_an_encoder_that_fails_makes_and_changes_no_index(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = tmp_path / "old"
    shutil.copytree(world().index, old)
    shutil.rmtree(old / "proofs")

    def refuse(_model: Any) -> None:
        raise CueframeError("off")

    monkeypatch.setattr("index.proofs.prove_images", refuse)
    with pytest.raises(CueframeError, match="off"):
        built(tmp_path / "new", model=str(world().model))
    assert not (tmp_path / "new" / "profile.json").exists()
    before = {path: path.read_bytes() for path in old.rglob("*") if path.is_file()}
    for rebuild in (False, True):
        with pytest.raises(CueframeError, match="off"):
            built(old, rebuild=rebuild)
    assert {path: path.read_bytes() for path in before} == before


def test_another_configuration_of_the_same_weights_is_another_encoder(tmp_path: Path) -> None:
    model = tmp_path / "model"
    shutil.copytree(world().model, model)
    index = tmp_path / "index"
    assert built(index, model=str(model)) == 0
    path = model / "config.json"
    content = json.loads(path.read_text())
    own = dict(content["vision_config"])
    content["vision_config"] = own | {"num_attention_heads": own["num_attention_heads"] // 2}
    path.write_text(json.dumps(content))
    before = {path: path.read_bytes() for path in index.rglob("*") if path.is_file()}
    with pytest.raises(CueframeError, match=r"the weights that built .* other vectors"):
        built(index)
    assert {path: path.read_bytes() for path in before} == before
    content["vision_config"] = own | {"a_value_of_no_effect": 1}
    path.write_text(json.dumps(content))
    assert built(index) == 0
    content["vision_config"] = own | {"num_attention_heads": own["num_attention_heads"] // 2}
    path.write_text(json.dumps(content))
    assert built(index, rebuild=True) == 0
