"""What is written is found again, to the bit; what is damaged counts as not there."""

import json
import os
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.errors import CueframeError
from index.models.preprocess import ImageTransform
from train.pictures import writing
from train.pictures.store import PictureStore, folder_for, line_of_file, state_of
from train.pictures.writing import PairWriter, remove_leftovers

VIEW = ImageTransform(mode="tiles", height=4, width=6, shortest_edge=4, resample=3, fill=(0, 0, 0))


def squares(count: int, seed: int = 0) -> npt.NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(256, size=(count, 4, 6, 3), dtype=np.uint8)


def write(folder: Path, **pictures: npt.NDArray[np.uint8]) -> None:
    with PairWriter(folder, VIEW) as writer:
        for digest, own in pictures.items():
            writer.note({"picture": digest, "squares": writer.add(own)})


def held(folder: Path) -> dict[str, npt.NDArray[np.uint8]]:
    store = PictureStore(folder, VIEW)
    found = {}
    for digest, where in store.pictures.items():
        found[digest] = np.empty((where.length, 4, 6, 3), np.uint8)
        store.read(where, found[digest])
    store.close()
    return found


@given(sizes=st.lists(st.lists(st.integers(1, 5), min_size=1, max_size=4), max_size=4))
def test_the_folder_holds_what_all_writers_have_written(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[list[int]]
) -> None:
    folder = tmp_path_factory.mktemp("pictures")
    expected = {
        f"{part}-{n}": squares(count, 10 * part + n)
        for part, counts in enumerate(sizes)
        for n, count in enumerate(counts)
    }
    for part, counts in enumerate(sizes):
        write(folder, **{f"{part}-{n}": expected[f"{part}-{n}"] for n in range(len(counts))})
    found = held(folder)
    assert found.keys() == expected.keys()
    assert all(np.array_equal(found[name], expected[name]) for name in expected)


def test_each_transform_has_a_folder_that_a_person_can_tell(tmp_path: Path) -> None:
    others = [replace(VIEW, mode="center"), replace(VIEW, shortest_edge=5), replace(VIEW, width=4)]
    names = {folder_for(tmp_path, one).name for one in (VIEW, *others)}
    assert len(names) == 4
    assert folder_for(tmp_path, VIEW).name.startswith("tiles-4x6-")
    write(folder_for(tmp_path, VIEW), a=squares(1))
    about = json.loads((folder_for(tmp_path, VIEW) / "transform.json").read_text())
    assert about == VIEW.as_dict() | {"fill": [0, 0, 0]}


def test_a_file_is_known_while_it_is_as_it_was(tmp_path: Path) -> None:
    file = tmp_path / "a.png"
    file.write_bytes(b"picture")
    seen = file.stat()
    with PairWriter(tmp_path, VIEW) as writer:
        writer.note({"picture": "d", "squares": writer.add(squares(2))})
        writer.note(line_of_file(state_of("a.png", seen), "d"))
    store = PictureStore(tmp_path, VIEW)
    assert store.of_file(state_of("a.png", seen)) == store.pictures["d"]
    assert store.of_file(state_of("b.png", seen)) is None
    os.utime(file, ns=(seen.st_atime_ns, seen.st_mtime_ns + 1))
    assert store.of_file(state_of("a.png", file.stat())) is None


def test_lines_alone_need_no_pixels(tmp_path: Path) -> None:
    state = state_of("a.png", tmp_path.stat())
    with PairWriter(tmp_path, VIEW) as writer:
        writer.note(line_of_file(state, "d"))
    assert not list(tmp_path.glob("*.pixels"))
    assert PictureStore(tmp_path, VIEW).digests == {state: "d"}
    with PairWriter(tmp_path / "none", VIEW):
        pass
    assert not (tmp_path / "none").exists()


DAMAGES: dict[str, Callable[[Path, Path], object]] = {
    "cut pixels": lambda pixels, _: os.truncate(pixels, 3 * 72 - 1),
    "no pixels": lambda pixels, _: pixels.unlink(),
    "no line": lambda _, lines: lines.write_text("[]\n"),
    "half a line": lambda _, lines: lines.write_text(lines.read_text()[:-9]),
    "no numbers": lambda _, lines: lines.write_text('{"picture": "bad", "squares": ["0", 3, 1]}'),
    "negative": lambda _, lines: lines.write_text('{"picture": "bad", "squares": [0, -3, 1]}'),
    "not UTF-8": lambda _, lines: lines.write_bytes(b"\xff\n"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_pair_counts_as_not_there(tmp_path: Path, damage: str) -> None:
    write(tmp_path, good=squares(2))
    good = {*tmp_path.iterdir()}
    write(tmp_path, bad=squares(3))
    (pixels,) = {*tmp_path.glob("*.pixels")} - good
    DAMAGES[damage](pixels, pixels.with_suffix(".jsonl"))
    assert held(tmp_path).keys() == {"good"}


def test_changed_pixels_are_told_where_they_are_read(tmp_path: Path) -> None:
    write(tmp_path, a=squares(2))
    store = PictureStore(tmp_path, VIEW)
    (pixels,) = tmp_path.glob("*.pixels")
    out = np.empty((2, 4, 6, 3), np.uint8)
    with pixels.open("r+b") as file:
        file.seek(7)
        file.write(b"x")
    with pytest.raises(CueframeError, match=r"\.pixels is damaged; delete it, and run again"):
        store.read(store.pictures["a"], out)
    os.truncate(pixels, 9)
    with pytest.raises(CueframeError, match="is damaged"):
        store.read(store.pictures["a"], out)
    store.close()
    pixels.unlink()
    with pytest.raises(CueframeError, match=r"cannot be read \(No such file"):
        store.read(store.pictures["a"], out)


def test_what_fails_is_not_in_place_and_what_was_committed_is(tmp_path: Path) -> None:
    writer = PairWriter(tmp_path, VIEW)
    writer.note({"picture": "a", "squares": writer.add(squares(1))})
    writer.commit()
    writer.note({"picture": "b", "squares": writer.add(squares(1, 1))})
    assert held(tmp_path).keys() == {"a"}
    writer.drop()
    writer.commit()
    assert held(tmp_path).keys() == {"a"}
    assert not list(tmp_path.glob(".*"))

    def interrupted() -> None:
        with PairWriter(tmp_path, VIEW) as writer:
            writer.note({"picture": "c", "squares": writer.add(squares(1, 2))})
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert held(tmp_path).keys() == {"a", "c"}


def test_a_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write(tmp_path, a=squares(1))
    assert [path.name for path in tmp_path.iterdir()] == ["transform.json"]


def test_a_pair_is_complete_once_it_is_large(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "_PART_BYTES", 100)
    writer = PairWriter(tmp_path, VIEW)
    for n in range(5):  # of 72 bytes each
        writer.note({"picture": str(n), "squares": writer.add(squares(1, n))})
        writer.commit_if_large()
    assert held(tmp_path).keys() == {"0", "1", "2", "3"}
    writer.drop()


def test_leftovers_go_unless_a_writer_is_at_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, a=squares(1))
    for name in (".old.pixels.tmp", ".old.jsonl.tmp", "alone.pixels"):
        (tmp_path / name).write_bytes(b"x")
    remove_leftovers(tmp_path)
    assert (tmp_path / "alone.pixels").exists()  # young: perhaps not locked yet
    monkeypatch.setattr(writing, "_YOUNG_S", -1.0)
    writer = PairWriter(tmp_path, VIEW)
    writer.note({"picture": "b", "squares": writer.add(squares(1, 1))})  # cleans, too
    assert not any(
        (tmp_path / name).exists() for name in (".old.pixels.tmp", ".old.jsonl.tmp", "alone.pixels")
    )
    remove_leftovers(tmp_path)
    writer.commit()
    assert held(tmp_path).keys() == {"a", "b"}


def test_writers_at_one_time_do_not_disturb_each_other(tmp_path: Path) -> None:
    def work(rank: int) -> None:
        for n in range(8):
            write(tmp_path, **{f"{rank}-{n}": squares(1, 10 * rank + n)})
            time.sleep(0.001)

    team = [threading.Thread(target=work, args=(rank,)) for rank in range(4)]
    for one in team:
        one.start()
    for one in team:
        one.join()
    found = held(tmp_path)
    assert len(found) == 32
    assert all(np.array_equal(found[f"{r}-0"], squares(1, 10 * r)) for r in range(4))
