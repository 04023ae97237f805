"""Each file of an index, each damage: what check names, and what mends it.

In no row does a command answer otherwise than from the undamaged index without an error; a build
without a repair does not make it worse, and what neither mends, check names with its remedy.
"""

from dataclasses import dataclass

import numpy as np
import pytest

from tests.faults import damages
from tests.faults.conftest import World, copied
from tests.faults.damages import Damage, Target
from tests.faults.test_damages import Commands, Damager
from tests.faults.warm import Warm
from tests.paths import ROOT


@dataclass(frozen=True)
class Row:
    """What becomes of a damage."""

    check: str
    """What check says of it; "" where it makes no difference."""
    repair: tuple[str, ...] = ()
    """What a repair does, in its own words; () if nothing."""
    mends: str = ""
    """What mends it: "repair", "repair and build", "build" alone, or "either" of the two; "" if
    the user has to."""


AGAIN = "made again from 5 vector files"
AWAY = "moved to quarantine/"
FOUR = "brought up to 4 vector files"
AGAIN_UP = "brought up to 5 vector files"
SEARCH = "frames.faiss: made anew"

TABLE: dict[tuple[str, str], Row] = {
    ("profile.json", "missing"): Row("is missing", (AGAIN,), "repair"),
    ("profile.json", "empty"): Row("is damaged", (AWAY, AGAIN), "repair"),
    ("profile.json", "truncated"): Row("is damaged", (AWAY, AGAIN), "repair"),
    ("profile.json", "flipped"): Row("is damaged", (AWAY, AGAIN), "repair"),
    ("profile.json", "unreadable"): Row("make it readable"),
    ("profile.json", "older_schema"): Row("is of schema 1", (AWAY, AGAIN), "repair"),
    ("profile.json", "of_other_profile"): Row("says fps 1.0, not 2.0", (AWAY, AGAIN), "repair"),
    ("profile.json", "of_other_videos"): Row(""),  # one profile, one file
    ("vectors", "missing"): Row("is missing", (FOUR,), "build"),
    ("vectors", "empty"): Row("is damaged", (AWAY, FOUR, SEARCH), "build"),
    ("vectors", "truncated"): Row("is damaged", (AWAY, FOUR, SEARCH), "build"),
    ("vectors", "flipped"): Row("is damaged", (AWAY, FOUR, SEARCH), "repair and build"),
    ("vectors", "unreadable"): Row("make it readable"),
    ("vectors", "older_schema"): Row("is damaged", (AWAY, FOUR, SEARCH), "build"),
    ("vectors", "of_other_profile"): Row(
        "was made by another profile", (AWAY, FOUR, SEARCH), "repair and build"
    ),
    ("vectors", "of_other_videos"): Row(
        "it holds the vectors of", (AWAY, FOUR, SEARCH), "repair and build"
    ),
    ("catalog.sqlite", "missing"): Row("is missing", (AGAIN, SEARCH), "either"),
    ("catalog.sqlite", "empty"): Row("is damaged (it is empty)", (AWAY, AGAIN, SEARCH), "either"),
    ("catalog.sqlite", "truncated"): Row("is damaged", (AWAY, AGAIN, SEARCH), "repair"),
    ("catalog.sqlite", "flipped"): Row("is damaged", (AWAY, AGAIN, SEARCH), "repair and build"),
    ("catalog.sqlite", "unreadable"): Row("look at its rights"),
    ("catalog.sqlite", "of_before"): Row("does not know", (AGAIN_UP, SEARCH), "either"),
    ("catalog.sqlite", "of_other_profile"): Row("--repair", (SEARCH,), "repair and build"),
    ("catalog.sqlite", "of_other_videos"): Row("run index/build.py", (SEARCH,)),
    ("frames.faiss", "missing"): Row("is missing", (SEARCH,), "either"),
    ("frames.faiss", "empty"): Row("is damaged", (AWAY, SEARCH), "either"),
    ("frames.faiss", "truncated"): Row("is damaged", (AWAY, SEARCH), "either"),
    ("frames.faiss", "flipped"): Row("is damaged", (AWAY, SEARCH), "either"),
    ("frames.faiss", "unreadable"): Row("make it readable"),
    ("frames.faiss", "of_before"): Row("has 0 of", (AWAY, SEARCH), "either"),
    ("frames.faiss", "of_other_profile"): Row("vectors of video", (AWAY, SEARCH), "repair"),
    ("frames.faiss", "of_other_videos"): Row("vectors of video", (AWAY, SEARCH), "either"),
}


DAMAGES = {
    "missing": "is missing",
    "empty": "is empty",
    "truncated": "is cut",
    "flipped": "has one bit changed",
    "unreadable": "cannot be read",
    "older_schema": "is of an older schema",
    "of_before": "is of before the last build",
    "of_other_profile": "is of an index of another profile",
    "of_other_videos": "is of an index of other videos",
}
MENDS = {
    "repair": "`--repair`",
    "build": "the next build",
    "either": "`--repair` or the next build",
    "repair and build": "`--repair`, then a build",
    "": "you, as `check.py` says",
}


def test_the_docs_have_the_table() -> None:
    page = (ROOT / "docs/promises.md").read_text()
    for (name, kind), row in TABLE.items():
        file = "a vector file" if name == "vectors" else f"`{name}`"
        mends = MENDS[row.mends] if row.check else "nothing: it is the same file"
        assert f"| {file} {DAMAGES[kind]} | {mends} |" in page


@pytest.fixture(scope="module")
def damager(warm: Warm, world: World, tmp_path_factory: pytest.TempPathFactory) -> Damager:
    return Damager(warm, world, tmp_path_factory.mktemp("table"))


@pytest.mark.parametrize(("name", "kind"), TABLE)
def test_the_table(damager: Damager, world: World, name: str, kind: str) -> None:
    row, index = TABLE[name, kind], copied(world.index, damager.index)
    damager.faults.clear()
    file = max(index.glob("vectors/*/*.h5")) if name == "vectors" else index / name
    damage(Target(index, file, world), kind)
    copied(index, damager.other)
    run = damager.run

    shown, checked = damager.shown(run, Damage(0, file, kind), "quarters", "at first"), run.check()
    assert not damager.faults, damager.faults
    assert row.check in checked.out + checked.err
    assert bool(checked.code) == bool(row.check)
    assert row.check or set(shown) == {"equal"}

    planned = run.check("--repair", "--dry-run")
    repaired = run.check("--repair")
    for ended in (planned, repaired):
        assert [line for line in row.repair if line not in ended.err] == []
        assert ("to repair: " in ended.err) == bool(row.repair)
    assert row.mends not in ("repair", "either") or sound(damager, run)
    built = run.build()
    assert not built.crash
    assert sound(damager, run) == (bool(row.mends) or not row.check)

    built = damager.built.build()
    assert not built.crash
    assert sound(damager, damager.built) == (row.mends in ("build", "either") or not row.check)


def damage(target: Target, kind: str) -> None:
    """Do it, where it hurts."""
    if kind != "flipped":
        getattr(damages, kind)(target, np.random.default_rng(5))
        return
    data = bytearray(target.file.read_bytes())
    places = {"profile.json": b'"fps"', "catalog.sqlite": b"few.mp4"}
    at = data.rindex(places.get(target.file.name, data[len(data) // 2 :]))
    data[at] ^= 4
    target.file.write_bytes(data)


def sound(damager: Damager, run: Commands) -> bool:
    """Check finds nothing, and all is answered as before."""
    checked = run.check()
    assert not checked.crash
    shown = damager.shown(run, Damage(0, run.index, "afterwards"), "quarters", "in the end")
    assert not damager.faults, damager.faults
    if checked.code == 0:
        assert set(shown) == {"equal"}
    return checked.code == 0
