"""A model's files are the same, or not."""

import os
import shutil
from pathlib import Path

import huggingface_hub
import pytest

from index.errors import CueframeError, ModelError
from index.models.model_files import files_fingerprint


def test_it_is_of_names_and_contents(tiny_model: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny_model, tmp_path / "copy"))
    own = files_fingerprint(str(folder), "--model")
    assert own == files_fingerprint(str(tiny_model), "--model")
    (folder / "README.md").write_text("what does not matter")
    (folder / "pipe.json").mkdir()
    os.mkfifo(folder / "pipe.txt")
    assert files_fingerprint(str(folder), "--model") == own
    for name in ("model.safetensors", "config.json", "tokenizer_config.json"):
        whole = (folder / name).read_bytes()
        (folder / name).write_bytes(bytes([whole[0] ^ 1]) + whole[1:])
        assert files_fingerprint(str(folder), "--model") != own
        (folder / name).write_bytes(whole)
    (folder / "chat_template.jinja").write_text("")
    assert files_fingerprint(str(folder), "--model") != own


def test_of_a_name_it_is_that_of_the_folder_in_the_cache(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "models--own--tiny"
    shutil.copytree(tiny_model, cache / "snapshots" / "abc")
    (cache / "refs").mkdir()
    (cache / "refs" / "main").write_text("abc")
    for module in ("libraries", "model_files"):
        monkeypatch.setattr(
            f"index.models.{module}.snapshot_download",
            lambda name, **how: huggingface_hub.snapshot_download(name, cache_dir=tmp_path, **how),
        )
    own = files_fingerprint(str(tiny_model), "--model")
    assert files_fingerprint("own/tiny", "--model") == own


def test_a_name_that_is_not_to_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ModelError, match="give --reader a folder"):
        files_fingerprint("no/such-model", "--reader")


def test_a_file_that_cannot_be_read_is_one_line(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Path(shutil.copytree(tiny_model, tmp_path / "copy"))

    def fail(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("index.models.model_files.Path.open", fail)
    with pytest.raises(CueframeError, match=r"cannot be loaded: .*Permission denied; fetch it"):
        files_fingerprint(str(folder), "--model")
