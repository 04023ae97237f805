"""What is wrong with a call is one line, before anything is loaded."""

from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest

from index.errors import CueframeError
from infer.answer_file import ReaderFrames
from infer.answering.config import AnswerConfig
from infer.answering.inputs import refuse_bad_values
from infer.readers.registry import OWN_READERS


def config(tmp_path: Path, **flags: Any) -> AnswerConfig:
    return AnswerConfig(**{"questions": "q.json", "output": str(tmp_path / "a.jsonl")} | flags)


def refusal(tmp_path: Path, **flags: Any) -> str:
    with pytest.raises(CueframeError) as caught:
        refuse_bad_values(config(tmp_path, **flags))
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("reader", [*OWN_READERS, "some/model"])
def test_the_defaults_are_fine(tmp_path: Path, reader: str) -> None:
    refuse_bad_values(config(tmp_path, reader=reader))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("flag", ["frames", "reader_batch", "reader_side", "max_new_tokens"])
def test_numbers_are_above_zero(tmp_path: Path, flag: str) -> None:
    name = "--" + flag.replace("_", "-")
    for value in (0, -1):
        assert refusal(tmp_path, **{flag: value}).startswith(f"{name} is {value}; ")


def test_kinds_of_frames(tmp_path: Path) -> None:
    hint = get_type_hints(AnswerConfig)["reader_frames"]
    assert set(get_args(get_args(hint)[0])) == set(get_args(ReaderFrames))
    twice = ("picked", "uniform", "picked")
    assert "picked uniform picked; name each" in refusal(
        tmp_path, reader="clip", reader_frames=twice
    )
    assert "is empty" in refusal(tmp_path, reader="clip", reader_frames=())
    assert "all is for --reader clip" in refusal(tmp_path, reader="m", reader_frames=("all",))
    refuse_bad_values(config(tmp_path, reader="m", reader_frames=("support", "picked")))
    refuse_bad_values(config(tmp_path, reader="clip", reader_frames=get_args(ReaderFrames)))


def test_what_needs_answers_needs_a_reader(tmp_path: Path) -> None:
    assert refusal(tmp_path, submission=tmp_path / "s.csv").startswith("--submission needs answers")
    assert refusal(tmp_path, reader_frames=("uniform",)).startswith("--reader-frames needs answers")
    for reader in OWN_READERS:
        assert f"--free with --reader {reader}" in refusal(tmp_path, reader=reader, free=True)
    refuse_bad_values(config(tmp_path, reader="m", free=True, submission=tmp_path / "s.csv"))


def test_several_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    refuse_bad_values(config(tmp_path, reader="m"))
    line = refusal(tmp_path, reader="m", device_map="auto")
    assert "--device-map auto" in line
    assert "2 processes" in line
    assert "not by 2" in refusal(tmp_path, output="-")
    assert "not by 2" in refusal(tmp_path, questions="-")
    monkeypatch.setenv("WORLD_SIZE", "1")
    refuse_bad_values(config(tmp_path, reader="m", device_map="auto", questions="-", output="-"))


def test_what_cannot_be_written_is_found_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert f"--output {tmp_path} is no file" in refusal(tmp_path, output=str(tmp_path))
    clip = {"reader": "clip"}
    for path, text in (
        (tmp_path, "is a folder; name a file"),
        (tmp_path / "file/s.csv", "cannot be written ("),
        (tmp_path / "deep/../a.jsonl", "would overwrite what --output writes"),
    ):
        line = refusal(tmp_path, submission=path, **clip)
        assert "--submission" in line
        assert text in line
    refuse_bad_values(config(tmp_path, submission=tmp_path / "new/deep/s.csv", **clip))
    assert (tmp_path / "new/deep").is_dir()
    assert "--save-frames" in refusal(tmp_path, save_frames=tmp_path / "file")
    refuse_bad_values(config(tmp_path, save_frames=tmp_path / "jpg"))
    assert (tmp_path / "jpg").is_dir()
