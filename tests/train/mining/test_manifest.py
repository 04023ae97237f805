import json
from pathlib import Path
from typing import Any

import pytest

from index.errors import CueframeError
from train.mining.manifest import (
    append,
    claim_folder,
    is_whole,
    read_records,
    remove_leftovers,
    tidy,
)


def line(name: str, **more: Any) -> dict[str, Any]:
    return {"id": name, "true": [], "negatives": [], **more}


def test_lines_of_all_processes_come_together_in_the_questions_order(tmp_path: Path) -> None:
    append(tmp_path, 0, [line("c"), line("a")])
    append(tmp_path, 2, [line("b")])
    append(tmp_path, 1, [line("câu hỏi"), line("gone")])
    assert set(tidy(tmp_path, ["a", "b", "c", "d"], without=["gone"])) == {"a", "b", "c", "câu hỏi"}
    text = (tmp_path / "mined.jsonl").read_text()
    assert [json.loads(one)["id"] for one in text.splitlines()] == ["a", "b", "c", "câu hỏi"]
    assert "câu hỏi" in text
    assert [path.name for path in tmp_path.iterdir()] == ["mined.jsonl"]


def test_a_line_torn_anywhere_counts_as_not_written(tmp_path: Path) -> None:
    append(tmp_path, 0, [line("a"), line("ộ")])
    path = tmp_path / "mined.jsonl"
    whole = path.read_bytes()
    first = whole.index(b"\n") + 1
    for size in range(len(whole) + 1):
        path.write_bytes(whole[:size])
        there = ["a", "ộ"][: (size >= first) + (size == len(whole))]
        assert list(read_records(tmp_path)) == there
        tidy(tmp_path, [])
        append(tmp_path, 0, [line("z")])
        assert list(read_records(tmp_path)) == [*there, "z"]


@pytest.mark.parametrize("strange", ['["b"]', "{}", "[" * 100_000])
def test_a_strange_line_is_named(tmp_path: Path, strange: str) -> None:
    (tmp_path / "mined.jsonl").write_text(f'{{"id": "a"}}\n{strange}\n')
    with pytest.raises(CueframeError, match=r"mined\.jsonl: line 2 is no question"):
        read_records(tmp_path)


def test_settings_must_claim_folder(tmp_path: Path) -> None:
    claim_folder(tmp_path, {"--seed": 1, "--fps": 2.0})
    claim_folder(tmp_path, {"--fps": 2.0, "--seed": 1})
    with pytest.raises(CueframeError, match=r"has --fps 2\.0, not 4\.0; mine with that, name"):
        claim_folder(tmp_path, {"--seed": 1, "--fps": 4.0})
    with pytest.raises(CueframeError, match="has --caption None, not 1"):
        claim_folder(tmp_path, {"--seed": 1, "--fps": 2.0, "--caption": 1})
    (tmp_path / "mining.json").write_text("{")
    with pytest.raises(CueframeError, match=r"mining\.json cannot be read"):
        claim_folder(tmp_path, {"--seed": 1})


@pytest.mark.parametrize("name", ["frames_true", "frames_neg", "mined.jsonl"])
def test_a_folder_that_something_else_wrote_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    with pytest.raises(CueframeError, match=rf"{name} is there but no mining\.json"):
        claim_folder(tmp_path, {})


def test_a_line_is_whole_with_all_its_pictures(tmp_path: Path) -> None:
    record = line("a", true=[{"file": "t.png"}], negatives=[{"file": "n.png"}])
    (tmp_path / "t.png").touch()
    assert not is_whole(tmp_path, record)
    (tmp_path / "n.png").touch()
    assert is_whole(tmp_path, record)


def test_what_a_killed_run_left_goes(tmp_path: Path) -> None:
    for name in (".run-old", ".run-own"):
        (tmp_path / name / "pictures-0").mkdir(parents=True)
        (tmp_path / name / "pictures-0" / "0.png").touch()
    for name in (".mined.jsonl.77.tmp", "mined.jsonl", ".lock"):
        (tmp_path / name).touch()
    remove_leftovers(tmp_path, keep=tmp_path / ".run-own")
    left = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert left == {".run-own/pictures-0/0.png", "mined.jsonl", ".lock"}
