"""The commit is that of the checkout, or not known."""

import subprocess
from pathlib import Path

import pytest

from train import provenance
from train.provenance import commit, languages_of


def git(folder: Path, *words: str) -> str:
    who = ["-c", "user.name=a", "-c", "user.email=a@b"]
    asked = ["git", "-C", str(folder), *who, *words]
    return subprocess.run(asked, check=True, capture_output=True, text=True).stdout.strip()


def test_the_commit_is_that_of_the_checkout_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git(tmp_path, "init", "-q")
    (tmp_path / "code.py").write_text("1\n")
    git(tmp_path, "add", "code.py")
    git(tmp_path, "commit", "-qm", "one")
    monkeypatch.setattr(provenance, "_CHECKOUT", tmp_path)
    assert commit() == git(tmp_path, "rev-parse", "HEAD")
    (tmp_path / "notes.txt").write_text("not code that runs\n")
    assert commit() == git(tmp_path, "rev-parse", "HEAD")
    (tmp_path / "code.py").write_text("2\n")
    assert commit() == git(tmp_path, "rev-parse", "HEAD") + " with changes"
    installed = tmp_path / "lib"
    installed.mkdir()
    monkeypatch.setattr(provenance, "_CHECKOUT", installed)  # inside of another repository
    assert commit() is None


def test_without_git_there_is_no_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".git").mkdir()
    monkeypatch.setattr(provenance, "_CHECKOUT", tmp_path)
    assert commit() is None  # an empty folder is no repository
    monkeypatch.setenv("PATH", str(tmp_path))
    assert commit() is None


def test_languages_are_those_of_many_texts() -> None:
    english = [f"When does the man in the red shirt open door number {n}?" for n in range(30)]
    vietnamese = [f"Khi nào người đàn ông mở cửa số {n}?" for n in range(10)]
    assert languages_of([*english, *vietnamese]) == ["en", "vi"]
    assert languages_of([*english, vietnamese[0]]) == ["en"]
    assert languages_of([]) == []
