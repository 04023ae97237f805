"""What is known of a model spares loading it, and never lets another one pass."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import CLIPModel

from index.build import BuildConfig, build
from index.errors import CueframeError
from index.known_models import is_builder, known_model
from index.models.encoder import load_dual_model
from index.models.model_files import files_fingerprint
from index.storage.store import read_profile
from infer.query_encoder import files_of_model, load_query_encoder
from tests.fixtures_infer import world
from tests.paths import ROOT

CPU = torch.device("cpu")


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An index with a model of its own, which may be changed."""
    here = world()
    monkeypatch.setattr("index.discovery._TICK_NS", -1)  # as if all were written a while ago
    shutil.copytree(here.model, tmp_path / "model")
    assert built(tmp_path / "index", model=str(tmp_path / "model")) == 0
    return tmp_path / "index"


@pytest.fixture
def loaded(index: Path, monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether the text side alone was wanted, at each loading of a model that is asked."""
    wanted: list[bool] = []
    right = load_dual_model

    def load(name: str, view: Any, *, text_only: bool = False) -> Any:
        wanted.append(text_only)
        return right(name, view, text_only=text_only)

    monkeypatch.setattr("infer.query_encoder.load_dual_model", load)
    return wanted


def built(index: Path, **flags: Any) -> int:
    return build(BuildConfig(videos=world().videos / "few.mp4", index=index, workers=1, **flags))


def encoder_of(index: Path, model: Path | None = None, **how: Any) -> Any:
    name = str(model) if model else None
    profile = read_profile(index)
    how = {"text_only": True, **how}
    return load_query_encoder(index, profile, model=name, dtype="float32", device=CPU, **how)


def change(model: Path, part: str) -> None:
    """Write other weights of one part into a model's folder, with the times of the file."""
    path = model / "model.safetensors"
    before = path.stat()
    changed = CLIPModel.from_pretrained(model)
    with torch.no_grad():
        changed.state_dict()[f"{part}.weight"].add_(0.5)
    own = {name: weight.clone() for name, weight in changed.state_dict().items()}
    changed.load_state_dict(own, assign=True)  # not those of the file that is written over
    path.unlink()
    changed.save_pretrained(model)
    assert path.stat().st_size == before.st_size
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_a_question_loads_the_text_side_alone(index: Path, loaded: list[bool]) -> None:
    first = encoder_of(index)
    assert not any(name.startswith("vision") for name in first.model.module.state_dict())
    encoder_of(index, Path(os.path.relpath(index.parent / "model")))
    assert loaded == [True, True]
    whole = encoder_of(index, text_only=False)
    assert whole.images
    assert loaded == [True, True, False]
    texts = ["car", "a red bus"]
    assert (first.texts(texts)[0] == whole.texts(texts)[0]).all()


@pytest.mark.parametrize(
    ("part", "refused"), [("visual_projection", True), ("text_projection", False)]
)
def test_a_model_replaced_with_its_size_and_times_is_looked_at_as_a_whole(
    index: Path, loaded: list[bool], part: str, refused: bool
) -> None:
    change(index.parent / "model", part)
    if refused:
        with pytest.raises(CueframeError, match="no longer, the one that built"):
            encoder_of(index)
        with pytest.raises(CueframeError, match="is not the one that built"):
            built(index)
    else:
        encoder_of(index)
        assert built(index) == 0
    assert loaded[0] is False


def test_a_model_replaced_while_it_is_loaded_does_not_pass(
    index: Path, loaded: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    right = load_dual_model

    def meanwhile(name: str, view: Any, *, text_only: bool = False) -> Any:
        model = right(name, view, text_only=text_only)
        if text_only:
            change(index.parent / "model", "visual_projection")
        return model

    monkeypatch.setattr("infer.query_encoder.load_dual_model", meanwhile)
    with pytest.raises(CueframeError, match="no longer, the one that built"):
        encoder_of(index)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"state": 1}', "[" * 100_000])
def test_a_damaged_file_is_no_knowledge_and_no_error(
    index: Path, loaded: list[bool], text: str
) -> None:
    for path in (index / "proofs").glob("model-*"):
        path.write_text(text)
    assert known_model(index, str(index.parent / "model"), "center") is None
    encoder_of(index)
    encoder_of(index)
    assert loaded == [False, True]


def test_a_side_counts_that_was_proved_and_the_fingerprint_of_the_index(index: Path) -> None:
    profile = read_profile(index)
    known = known_model(index, profile.model, profile.view)
    assert known
    assert is_builder(known, profile.fingerprint, "vision")
    assert is_builder(known, profile.fingerprint, "text")
    assert not is_builder(known.model_copy(update={"proved": ["vision"]}), known.vision, "text")
    assert not is_builder(known, "0" * 32, "vision")
    assert not is_builder(None, profile.fingerprint, "vision")
    assert known_model(index, profile.model, "stretch") is None


def test_where_nothing_can_be_written_all_is_loaded_each_time(
    index: Path, loaded: list[bool]
) -> None:
    shutil.rmtree(index / "proofs")
    (index / "proofs").touch()
    encoder_of(index)
    encoder_of(index)
    assert loaded == [False, False]


def test_files_are_hashed_once(index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    profile = read_profile(index)
    files = files_of_model(index, profile, profile.model)
    right = files_fingerprint
    monkeypatch.setattr("infer.query_encoder.files_fingerprint", lambda *_: pytest.fail("read"))
    assert files_of_model(index, profile, profile.model) == files
    monkeypatch.setattr("infer.query_encoder.files_fingerprint", right)
    change(Path(profile.model), "text_projection")
    assert files_of_model(index, profile, profile.model) != files


def test_a_build_with_nothing_to_do_imports_no_torch(index: Path) -> None:
    script = (
        "import sys\n"
        "from pathlib import Path\n"
        "import index.discovery\n"
        "index.discovery._TICK_NS = -1\n"
        "from index.build import BuildConfig, build\n"
        "code = build(BuildConfig(videos=Path(sys.argv[1]), index=Path(sys.argv[2])))\n"
        "print(code, [name for name in ('torch', 'transformers') if name in sys.modules])\n"
    )
    command = [sys.executable, "-c", script, str(world().videos / "few.mp4"), str(index)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    result, last = done.stdout.splitlines()
    assert (json.loads(result)["reused"], last) == (1, "0 []")
