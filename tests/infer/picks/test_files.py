"""Files of picks: JSON, JSON lines, and what is neither."""

import io
import json
import sys
from pathlib import Path
from pkgutil import resolve_name

import pytest

from index.errors import CueframeError
from infer.picks.files import load_picks, read_json
from infer.picks.registry import PICKS_FORMATS
from tests.infer.picks.asked import asked


@pytest.mark.parametrize(
    ("text", "content"),
    [
        ('[{"id": 1}]', [{"id": 1}]),
        ('{"data": [1, 2]}', [1, 2]),
        ('{"data": [1], "other": 2}', {"data": [1], "other": 2}),
        ('{"a": [1]}\n', {"a": [1]}),
        ('{"a": 1}\n\n{"b": "\u2028"}\n', [{"a": 1}, {"b": "\u2028"}]),
        ('{"a": 1}\n{"b": [2\n', [{"a": 1}, '{"b": [2']),
        ("\ufeff[1]", [1]),
    ],
)
def test_what_a_file_holds(text: str, content: object, tmp_path: Path) -> None:
    path = tmp_path / "picks.json"
    path.write_text(text, encoding="utf-8")
    assert read_json(str(path), "picks") == content


@pytest.mark.parametrize("data", [b"", b"[1, 2", b"\xff\xfe", b"[" * 100_000, b"1" * 5000, b"a\nb"])
def test_what_is_no_file_of_picks_is_one_line(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "picks.json"
    path.write_bytes(data)
    with pytest.raises(CueframeError, match=r"picks\.json") as told:
        read_json(str(path), str(path))
    assert "\n" not in str(told.value)
    with pytest.raises(CueframeError, match="cannot be read"):
        read_json(str(tmp_path / "nowhere"), "nowhere")


def test_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    data = io.TextIOWrapper(io.BytesIO(json.dumps({"q0": [1.5]}).encode()))
    monkeypatch.setattr(sys, "stdin", data)
    assert load_picks("-", "times", asked({})).times_s["q0"].tolist() == [1.5]


def test_each_format_has_a_reader() -> None:
    assert list(PICKS_FORMATS) == ["aks", "bolt", "kfs-bench", "times"]
    assert all(callable(resolve_name(entry.reader)) for entry in PICKS_FORMATS.values())


@pytest.mark.parametrize("picks_format", PICKS_FORMATS)
@pytest.mark.parametrize("content", ["null", "3", '"text"'])
def test_what_is_not_of_the_format_is_one_line(
    picks_format: str, content: str, tmp_path: Path
) -> None:
    path = tmp_path / "picks.json"
    path.write_text(content)
    with pytest.raises(CueframeError, match="want") as told:
        load_picks(str(path), picks_format, asked({}))
    assert str(told.value).startswith(str(path))
