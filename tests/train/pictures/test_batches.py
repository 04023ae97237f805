"""A batch has the pictures that were drawn, in order, whoever gathers them."""

import threading
import time
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from tests.train.pictures.test_store import VIEW, squares
from train.pictures.batches import gather, in_background
from train.pictures.store import PictureStore
from train.pictures.writing import PairWriter


def test_frames_are_flat_and_fewer_tiles_repeat_the_last(tmp_path: Path) -> None:
    own = {name: squares(count, n) for n, (name, count) in enumerate({"a": 1, "b": 3}.items())}
    with PairWriter(tmp_path, VIEW) as writer:
        for name, pixels in own.items():
            writer.note({"picture": name, "squares": writer.add(pixels)})
    store = PictureStore(tmp_path, VIEW)
    a, b = store.pictures["a"], store.pictures["b"]
    pixels = gather(store, [a, b, b], pinned=False)
    assert pixels.shape == (3, 3, *own["a"].shape[1:])
    assert np.array_equal(pixels[0], np.repeat(own["a"], 3, axis=0))
    assert np.array_equal(pixels[1], own["b"])
    assert np.array_equal(pixels[2], own["b"])
    assert gather(store, [], pinned=False).shape == (0, 1, *own["a"].shape[1:])


def test_results_come_in_order_and_ahead_of_time() -> None:
    done: list[int] = []

    def work(n: int) -> int:
        done.append(n)
        return n * n

    with closing(in_background(work, range(9))) as results:
        assert next(results) == 0
        deadline_s = time.monotonic() + 5
        while len(done) < 3:
            assert time.monotonic() < deadline_s
            time.sleep(0.001)
        time.sleep(0.05)
        assert done == [0, 1, 2]  # and no further, however long a step takes
        assert list(results) == [n * n for n in range(1, 9)]


def test_an_error_comes_with_its_batch_and_leaving_early_ends_the_thread() -> None:
    def work(n: int) -> int:
        return 1 // (n - 3)

    before = threading.active_count()
    results = in_background(work, range(9))
    assert [next(results) for _ in range(3)] == [-1, -1, -1]
    with pytest.raises(ZeroDivisionError):
        next(results)
    with closing(in_background(work, [5] * 9)) as left:
        next(left)
    assert threading.active_count() == before
