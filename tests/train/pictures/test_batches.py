"""A batch has the pictures that were drawn, in order, whoever gathers them."""

from pathlib import Path

import numpy as np

from tests.train.pictures.test_store import VIEW, squares
from train.pictures.batches import gather
from train.pictures.store import PictureStore
from train.pictures.writing import PairWriter


def test_frames_are_flat_and_fewer_tiles_repeat_the_last(tmp_path: Path) -> None:
    own = {name: squares(count, n) for n, (name, count) in enumerate({"a": 1, "b": 3}.items())}
    with PairWriter(tmp_path, VIEW) as writer:
        for name, pixels in own.items():
            writer.note({"picture": name, "squares": writer.add(pixels)})
    store = PictureStore(tmp_path, VIEW)
    a, b = store.pictures["a"], store.pictures["b"]
    gathered = gather(store, [a, b, b], pinned=False)
    assert gathered.shape == (3, 3, *own["a"].shape[1:])
    assert np.array_equal(gathered[0], np.repeat(own["a"], 3, axis=0))
    assert np.array_equal(gathered[1], own["b"])
    assert np.array_equal(gathered[2], own["b"])
    assert gather(store, [], pinned=False).shape == (0, 1, *own["a"].shape[1:])
