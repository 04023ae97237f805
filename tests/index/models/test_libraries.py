"""Which library a name means, and what is said where it is not installed."""

import json
import sys
from pathlib import Path

import pytest
from huggingface_hub.errors import LocalEntryNotFoundError

from index.errors import CueframeError, ModelError
from index.models.encoder import load_dual_model
from index.models.libraries import is_model_folder, library_of, model_files, package_of


def test_a_folder_tells_by_its_files(tmp_path: Path) -> None:
    assert not is_model_folder(tmp_path)
    assert library_of(str(tmp_path)) == "transformers"  # which says what is missing
    (tmp_path / "open_clip_config.json").write_text("{}")
    assert library_of(str(tmp_path)) == "open_clip"
    (tmp_path / "config.json").write_text('{"architecture": "timm\'s"}')
    assert library_of(str(tmp_path)) == "open_clip"
    (tmp_path / "config.json").write_text('{"model_type": "clip"}')
    assert library_of(str(tmp_path)) == "transformers"
    (tmp_path / "modules.json").write_text("[]")
    assert library_of(str(tmp_path)) == "sentence_transformers"
    assert is_model_folder(tmp_path)
    assert library_of("hf-hub:own/tiny") == "open_clip"
    with pytest.raises(LocalEntryNotFoundError):
        library_of("no/such-model")


@pytest.mark.parametrize(
    ("name", "library", "extra"),
    [
        ("open_clip_config.json", "open_clip", "open-clip"),
        ("modules.json", "sentence_transformers", "sentence-transformers"),
    ],
)
def test_a_package_that_is_not_installed(
    name: str, library: str, extra: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / name).write_text("{}")
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(CueframeError, match=rf"pip install -e '.\[{extra}\]'") as caught:
        load_dual_model(str(tmp_path), None)
    assert "\n" not in str(caught.value)


def test_a_package_that_cannot_be_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "open_clip.py").write_text("raise RuntimeError('operator nms does not exist\\n')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "open_clip", raising=False)
    with pytest.raises(CueframeError, match=r"cannot be imported here \(operator nms .*\); inst"):
        package_of("open_clip", "own/model")


@pytest.mark.parametrize("name", ["hf-hub:no/such", "no/such-model", "hf-hub:", "a/b/c"])
def test_a_name_that_is_not_to_be_had(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("index.models.open_clip_folder.package_of", lambda *_: None)
    with pytest.raises(ModelError, match="no folder here and cannot be had from the hub") as caught:
        load_dual_model(name, None)
    assert "\n" not in str(caught.value)


def test_the_files_of_modules(tmp_path: Path) -> None:
    modules = [{"path": path, "type": "x"} for path in ("", "1_Pooling")]
    (tmp_path / "modules.json").write_text(json.dumps(modules))
    for name in ("config.json", "1_Pooling/config.json", "2_Other/config.json", "README.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("{}")
    found = [
        str(path.relative_to(tmp_path)) for path in model_files(tmp_path, "sentence_transformers")
    ]
    assert found == ["config.json", "modules.json", "1_Pooling/config.json"]
    assert len(model_files(tmp_path, "transformers")) == 2
