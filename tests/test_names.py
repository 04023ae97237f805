"""A script's own folder is first on sys.path: a module there hides any other of its name."""

import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("floor", ["index", "infer", "train"])
def test_no_module_is_named_like_one_that_is_imported(floor: str) -> None:
    own = {path.stem for path in (ROOT / floor).glob("*.py")} - {"__init__"}
    assert own
    assert not own & set(sys.stdlib_module_names)
    assert not own & (set(packages_distributions()) - {"index", "infer", "train"})
    assert not own & {"index", "infer", "train", "tests", "examples"}


def test_the_floors_hide_no_package_either() -> None:
    assert not {"index", "infer", "train", "tests", "examples"} & set(sys.stdlib_module_names)
