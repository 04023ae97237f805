"""What is moved away is all there, with a line that says why, until it is purged."""

import json
from pathlib import Path

import pytest

from index.errors import CueframeError
from index.storage.quarantine import move_away, purge


def lines(index: Path) -> list[dict[str, str]]:
    text = (index / "quarantine" / "log.jsonl").read_text()
    return [json.loads(line) for line in text.splitlines()]


def test_a_file_is_moved_with_a_line_that_says_why(tmp_path: Path) -> None:
    path = tmp_path / "vectors" / "ab" / "x.h5"
    path.parent.mkdir(parents=True)
    for number in range(3):  # in the same second, too
        path.write_bytes(bytes([number]))
        target = move_away(tmp_path, path, f"it is {number}")
        assert target.parent == tmp_path / "quarantine"
        assert target.read_bytes() == bytes([number])
        assert not path.exists()
    assert [line["why"] for line in lines(tmp_path)] == ["it is 0", "it is 1", "it is 2"]
    assert {line["from"] for line in lines(tmp_path)} == {"vectors/ab/x.h5"}
    assert len({line["to"] for line in lines(tmp_path)}) == 3


def test_the_journal_of_a_catalog_goes_with_it(tmp_path: Path) -> None:
    for ending in ("", "-journal", "-wal", "-shm"):
        (tmp_path / f"catalog.sqlite{ending}").write_text(ending)
    target = move_away(tmp_path, tmp_path / "catalog.sqlite", "damaged")
    assert not list(tmp_path.glob("catalog.sqlite*"))
    assert target.with_name(f"{target.name}-journal").read_text() == "-journal"


def test_what_cannot_be_moved_stays(tmp_path: Path) -> None:
    (tmp_path / "quarantine").write_text("a file where the folder should be")
    path = tmp_path / "x"
    path.write_text("x")
    with pytest.raises(CueframeError, match=r"cannot be moved .* make room or rights"):
        move_away(tmp_path, path, "why")
    assert path.read_text() == "x"


def test_purging_deletes_what_was_moved_and_nothing_else(tmp_path: Path) -> None:
    assert purge(tmp_path) == 0
    (tmp_path / "folder.h5").mkdir()
    for name in ("a", "catalog.sqlite", "catalog.sqlite-journal"):
        (tmp_path / name).write_text(name)
    for name in ("a", "catalog.sqlite", "folder.h5"):
        move_away(tmp_path, tmp_path / name, "why")
    (tmp_path / "c").write_text("c")
    (tmp_path / "quarantine" / "mine").write_text("of the user")
    with (tmp_path / "quarantine" / "log.jsonl").open("a") as log:
        log.write('{"to": "../c"}\nno line\n[]\n{"to": 3}\n')
    assert purge(tmp_path) == 4
    assert [path.name for path in (tmp_path / "quarantine").iterdir()] == ["mine"]
    assert (tmp_path / "c").read_text() == "c"


def test_a_quarantine_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "precious").write_text("x")
    (tmp_path / "quarantine").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(CueframeError, match="is a link"):
        purge(tmp_path)
    assert (tmp_path / "elsewhere" / "precious").exists()
