"""Each picture is prepared once and as the transform does it; what changed is prepared anew."""

import io
import os
import shutil
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from accelerate import PartialState
from PIL import Image

from index.errors import CueframeError
from index.models.preprocess import ImageTransform
from train.pictures import preparing
from train.pictures.store import PictureStore, folder_for
from train.pictures.writing import PairWriter

CENTER = ImageTransform(
    mode="center", height=8, width=8, shortest_edge=8, resample=3, fill=(0, 0, 0)
)
TILES = replace(CENTER, mode="tiles")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with pictures of several shapes; two are equal."""
    draw = np.random.default_rng(0)
    for n, size in enumerate([(9, 16), (16, 9), (9, 9), (20, 20)]):
        (tmp_path / "root" / f"q{n}").mkdir(parents=True)
        drawn = draw.integers(256, size=(*size, 3), dtype=np.uint8)
        Image.fromarray(drawn).save(tmp_path / "root" / f"q{n}" / "0.png")
    Image.fromarray(drawn[..., 0]).save(tmp_path / "root" / "q0" / "grey.jpg")
    shutil.copyfile(tmp_path / "root/q0/0.png", tmp_path / "root/q1/same.png")
    return tmp_path / "root"


def files_of(root: Path) -> list[str]:
    return sorted(str(path) for path in root.rglob("*.*") if path.parent.name.startswith("q"))


def prepared(
    root: Path, transform: ImageTransform = CENTER, **how: Any
) -> tuple[PictureStore, dict[str, Any]]:
    files = how.pop("files", files_of(root))
    folder = how.pop("folder", folder_for(root / "preprocessed", transform))
    state = PartialState(cpu=True)
    store, places = preparing.prepared(
        files, root, folder, transform, workers=how.pop("workers", 2), state=state
    )
    found: dict[str, Any] = dict.fromkeys(files)
    for file, place in zip(files, places, strict=True):
        if place:
            out = np.empty((place.length, *store.side, 3), np.uint8)
            store.read(place, out)
            found[file] = out
    return store, found


def expected(file: str, transform: ImageTransform) -> Any:
    with Image.open(file) as image:
        picture = image.convert("RGB")
    return transform.squares(picture, transform.tiles_of(picture))


def never(*_: Any, **__: Any) -> Any:
    raise AssertionError("nothing is to be done")


@pytest.mark.parametrize("workers", [0, 1, 3])
@pytest.mark.parametrize("transform", [CENTER, TILES, replace(CENTER, mode="pad")])
def test_squares_are_those_of_the_transform(
    root: Path, transform: ImageTransform, workers: int
) -> None:
    store, found = prepared(root, transform, workers=workers)
    assert all(np.array_equal(own, expected(file, transform)) for file, own in found.items())
    assert len(found) == 6
    assert len(store.pictures) == 5  # equal ones once


def test_nothing_is_read_again(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, first = prepared(root)
    monkeypatch.setattr(preparing, "_read", never)
    _, again = prepared(root)
    assert all(np.array_equal(again[file], first[file]) for file in first)


def test_a_moved_or_copied_folder_is_not_prepared_again(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared(root)
    root.rename(tmp_path / "moved")
    monkeypatch.setattr(preparing, "_read", never)
    prepared(tmp_path / "moved", folder=folder_for(tmp_path / "moved/preprocessed", CENTER))
    monkeypatch.undo()
    copy = shutil.copytree(tmp_path / "moved", tmp_path / "copy", copy_function=shutil.copyfile)
    monkeypatch.setattr(ImageTransform, "squares", never)  # read for its digest, no more
    prepared(copy)


def test_what_a_person_changes_counts(root: Path) -> None:
    prepared(root)
    edited, gone = root / "q0/0.png", root / "q1/0.png"
    seen = edited.stat()
    buffer = io.BytesIO()
    Image.new("RGB", (9, 16), (1, 2, 3)).save(buffer, "PNG")
    edited.write_bytes(buffer.getvalue().ljust(seen.st_size, b"\0"))  # as long, and as old
    os.utime(edited, ns=(seen.st_atime_ns, seen.st_mtime_ns))
    gone.unlink()
    Image.new("RGB", (5, 5), (7, 8, 9)).save(root / "q2/more.png")
    _, found = prepared(root)
    assert str(gone) not in found
    assert all(np.array_equal(own, expected(file, CENTER)) for file, own in found.items())
    (root / "q2/0.png").rename(root / "q3/0.png")
    _, found = prepared(root)
    assert np.array_equal(found[str(root / "q3/0.png")], expected(str(root / "q3/0.png"), CENTER))


def test_what_is_no_picture_is_none_and_the_others_are_there(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root / "q0/0.png").write_bytes(b"no picture")
    whole = (root / "q1/0.png").read_bytes()
    (root / "q1/0.png").write_bytes(whole[: len(whole) // 2])
    Image.new("RGB", (1, 900)).save(root / "q2/long.png")  # more tiles than there may be
    os.mkfifo(root / "q2/fifo.png")
    files = [*files_of(root), str(root / "q2/none.png")]
    _, found = prepared(root, TILES, files=files)
    lost = {Path(file).relative_to(root).as_posix() for file, own in found.items() if own is None}
    assert lost == {"q0/0.png", "q1/0.png", "q2/long.png", "q2/fifo.png", "q2/none.png"}
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1)
    _, found = prepared(root, replace(TILES, width=7))
    assert not any(own is not None for own in found.values())


def test_a_folder_that_cannot_be_written_is_one_line(root: Path) -> None:
    (root / "taken").write_text("a file")
    with pytest.raises(CueframeError) as refused:
        prepared(root, folder=root / "taken" / "below")
    line = str(refused.value)
    assert line.startswith(f"{root / 'taken' / 'below'} cannot be written (Not a directory); ")
    assert line.endswith("make room or rights, or name another folder by --pictures")


def test_a_full_disk_keeps_what_was_prepared_before(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = PairWriter.add

    def full(writer: Any, squares: Any) -> Any:
        if writer._size:
            raise OSError(28, "No space left on device")
        return real(writer, squares)

    monkeypatch.setattr(PairWriter, "add", full)
    with pytest.raises(CueframeError, match="No space left on device"):
        prepared(root)
    assert len(PictureStore(folder_for(root / "preprocessed", CENTER), CENTER).pictures) == 1


def test_memory_that_runs_out_is_told(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any, **__: Any) -> Any:
        raise MemoryError

    monkeypatch.setattr(ImageTransform, "squares", fails)
    with pytest.raises(CueframeError, match=r"out of memory .*lower --num_workers"):
        prepared(root)


class Ranks:
    """Two processes that are threads here; each calls `prepared` with the state of its own."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.meet = threading.Barrier(2, timeout=30)
        self.own = threading.local()
        self.told: list[Any] = []
        for module in ("train.pictures.preparing", "accelerate.utils"):
            monkeypatch.setattr(f"{module}.broadcast_object_list", self.broadcast)

    def broadcast(self, values: list[Any]) -> None:
        if self.own.rank == 0:
            self.told = list(values)
        self.meet.wait()
        values[:] = self.told
        self.meet.wait()

    def run(self, work: Callable[[Any], Any]) -> list[Any]:
        def of(rank: int) -> Any:
            self.own.rank = rank
            return work(
                SimpleNamespace(
                    process_index=rank,
                    num_processes=2,
                    is_main_process=rank == 0,
                    wait_for_everyone=self.meet.wait,
                )
            )

        with ThreadPoolExecutor(2) as team:
            return [one.result() for one in [team.submit(of, rank) for rank in range(2)]]


def test_processes_share_what_is_missing(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "q0/0.png").write_bytes(b"no picture")
    folder, files = folder_for(root / "preprocessed", CENTER), files_of(root)
    ranks = Ranks(monkeypatch)

    def work(state: Any) -> Any:
        return preparing.prepared(files, root, folder, CENTER, workers=1, state=state)[1]

    first, second = ranks.run(work)
    assert first == second
    assert [file for file, place in zip(files, first, strict=True) if not place] == [files[0]]
    assert len(list(folder.glob("*.pixels"))) == 2
    assert not list(folder.glob(".run*"))
    assert ranks.run(work) == [first, first]  # now only that one is tried again


def test_a_process_that_sees_another_folder_is_told(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preparing, "_LATE_S", 1)
    with pytest.raises(CueframeError, match=r"all of them need the same folder .* --pictures"):
        preparing._seen(files_of(root), root, tmp_path / "other", CENTER, {0})
