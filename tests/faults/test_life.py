"""The random life of an index: files come, go, change places and dates, and builds are killed.

tests/faults/life.py has the plain model. One seed alone:

    CUEFRAME_FAULT_SEED=17 pytest -s tests/faults/test_life.py -k "lives_of_an"
"""

import shutil
from contextlib import closing
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from examples.tiny_clip import make_tiny_clip
from index.storage.catalog import all_videos, open_catalog
from tests.faults.collection import make_contents
from tests.faults.conftest import ALONE
from tests.faults.dying import Faults
from tests.faults.life import Life, Truth, hashes
from tests.faults.test_kills import seeds
from tests.faults.warm import Warm


@pytest.fixture(scope="module")
def truth(warm: Warm, tmp_path_factory: pytest.TempPathFactory) -> Truth:
    folder = tmp_path_factory.mktemp("life")
    contents = make_contents(folder / "first")
    models = [folder / f"model{n}" for n in range(3)]
    make_tiny_clip(models[0], ["a red car"], image_size=32, width=32, layers=1)
    for other in models[1:]:
        shutil.copytree(models[0], other)
    weights = load_file(models[2] / "model.safetensors")
    weights["text_projection.weight"] *= 2
    save_file(weights, models[2] / "model.safetensors", {"format": "pt"})
    for model in models:
        warm.preload(model)
    index = folder / "index"
    flags = ("--index", index, "--model", models[0], *ALONE)
    assert warm.run("index/build.py", contents[0].parent, *flags).code == 1
    kept = contents[0].parent.rename(folder / "contents")  # away from where the index knows them
    with closing(open_catalog(index)) as catalog:
        videos = all_videos(catalog)
    return Truth([kept / path.name for path in contents], models, index, videos)


def test_a_renamed_file_has_one_name_whenever_its_build_is_killed(
    warm: Warm, truth: Truth, tmp_path: Path
) -> None:
    life = Life(warm, truth, tmp_path, 0)
    life.inherit()
    old, new = tmp_path / "v/a.mp4", tmp_path / "v/b.mp4"
    shutil.copy(truth.contents[0], old)
    life.run("v", [], life.model, Faults())
    kept = shutil.copytree(life.index, tmp_path / "kept")
    old.rename(new)
    statements = [
        n
        for n, what in enumerate(life.run("v", [], life.model, Faults()).operations[0], 1)
        if what.startswith("sqlite")
    ]
    names = []
    for kill_at in statements:
        shutil.rmtree(life.index)
        shutil.copytree(kept, life.index)
        assert life.run("v", [], life.model, Faults(kill_at=kill_at)).was_killed
        with closing(open_catalog(life.index)) as catalog:
            names.append(list(hashes(catalog)))
    assert names[0] == [str(old)]
    assert names[-1] == [str(new)]
    assert all(name in ([str(old)], [str(new)]) for name in names)


def live(warm: Warm, truth: Truth, folder: Path, numbers: list[int]) -> None:
    kills = 0
    for seed in numbers:
        life = Life(warm, truth, folder / str(seed), seed)
        try:
            life.live()
        except BaseException as error:
            error.add_note("\n".join(life.told))
            raise
        kills += life.kills
        if len(numbers) == 1:
            print("\n".join(life.told))
    print(f"{len(numbers)} lives, {kills} kills", flush=True)


def test_lives_of_an_index(warm: Warm, truth: Truth, tmp_path: Path) -> None:
    live(warm, truth, tmp_path, seeds(10))


@pytest.mark.slow
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("first", range(0, 200, 50))
def test_many_lives(warm: Warm, truth: Truth, tmp_path: Path, first: int) -> None:
    live(warm, truth, tmp_path, [*range(first, first + 50)])
