"""A script's own folder is first on sys.path: a module there hides any other of its name.

Subfolders are not on it, but `import NAME` reads as the other one there too.
"""

import sys
from importlib.metadata import packages_distributions

import pytest

from tests.paths import ROOT

FOLDERS = ("index", "infer", "train", "tests", "examples")


@pytest.mark.parametrize("floor", ["index", "infer", "train"])
def test_no_module_is_named_like_one_that_is_imported(floor: str) -> None:
    files = [path for path in (ROOT / floor).rglob("*.py") if path.stem != "__init__"]
    folders = {path.parent.name for path in files} - {floor}
    own = {path.stem for path in files} | folders
    assert len(own) > 15
    assert folders
    assert not own & set(sys.stdlib_module_names)
    assert not own & (set(packages_distributions()) - {"index", "infer", "train"})
    assert not own & set(FOLDERS)


def test_the_floors_hide_no_package_either() -> None:
    assert not set(FOLDERS) & set(sys.stdlib_module_names)


def test_the_seeds_names_are_importable() -> None:
    from infer.metrics import sim_m
    from infer.predict import get_top4_frames, read_video_frames
    from train.data import PosNegDataset, custom_collate_fn, load_data
    from train.model import load_model_to_train
    from train.seed import set_seed

    names = (sim_m, get_top4_frames, read_video_frames, load_data, custom_collate_fn)
    assert all(callable(one) for one in (*names, PosNegDataset, load_model_to_train, set_seed))
