"""Random damage of every file of an index: never another answer without an error, nothing lost.

Each damage (tests/faults/damages.py) is done to a copy of an index. Answering and searching must
give what the undamaged index gives, or an error in its place; check must name it; a repair may
move files, and delete none; and after a repair and a build all is as before, or check names what
is left with the command that mends it. So it is, for a third of them, after a build alone. What
came of answering and searching is

    equal   as from the undamaged index;
    named   an error, of the command or of some questions, and the others are equal;
    WRONG   something else, without an error;
    crash   a traceback, a signal or a hang.

One damage alone:

    CUEFRAME_FAULT_SEED=17 pytest -s tests/faults/test_damages.py
"""

import json
import os
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from infer.selection.registry import STRATEGIES
from tests.faults.conftest import ALONE, World, copied
from tests.faults.damages import Damage, make_damage
from tests.faults.dying import Faults
from tests.faults.warm import Ended, Warm

ALONE_SEED = os.environ.get("CUEFRAME_FAULT_SEED")
REMEDY = re.compile(
    r"make it readable|look at its rights|--repair|build\.py|--rebuild|restore|make room"
)
CLASSES = ("equal", "named", "WRONG", "crash")
LIMIT_S = 20.0


@dataclass(frozen=True)
class Commands:
    """The commands over one index, as a user without root's rights."""

    warm: Warm
    world: World
    index: Path

    def run(self, script: str, *args: object) -> Ended:
        return self.warm.run(script, *args, faults=[Faults(unprivileged=True)], limit_s=LIMIT_S)

    def answer(self, pick: str) -> Ended:
        flags = ("--output", "-", "--pick", pick, "--reader", "clip")
        return self.run("infer/answer.py", self.world.questions, "--index", self.index, *flags)

    def find(self) -> Ended:
        return self.run("infer/find.py", "a red car", "--index", self.index, "--top", 1000)

    def check(self, *flags: object) -> Ended:
        return self.run("index/check.py", self.index, *flags)

    def build(self) -> Ended:
        flags = ("--index", self.index, *ALONE)
        return self.run("index/build.py", self.world.videos, *flags)


def of_answers(ended: Ended, sound: Ended) -> str:
    """The class of a run of infer/answer.py, and what is wrong with it."""
    if ended.crash:
        return "crash"
    if ended.code == 2 and not ended.out:
        return "named" if ended.err.startswith("error: ") else "WRONG"
    records, wanted = records_of(ended), records_of(sound)
    if records == wanted and ended.code == sound.code:
        return "equal"
    errors = {name for name, record in records.items() if "error" in record}
    others = {name: record for name, record in records.items() if name not in errors}
    kept = {name: record for name, record in wanted.items() if name not in errors}
    return "named" if errors and others == kept and ended.code == 1 else "WRONG"


def records_of(ended: Ended) -> dict[str, dict[str, Any]]:
    return {record["id"]: record for record in map(json.loads, ended.out.splitlines())}


def of_hits(ended: Ended, sound: Ended) -> str:
    """The class of a run of infer/find.py; frames of one score may come in any order."""
    if ended.crash:
        return "crash"
    lines, wanted = ended.out.splitlines(), sound.out.splitlines()
    if ended.code == 0:
        return "equal" if sorted(lines) == sorted(wanted) else "WRONG"
    return "named" if not Counter(lines) - Counter(wanted) and ended.err else "WRONG"


class Damager:
    """Damages copies of the world's index and says what comes of them."""

    def __init__(self, warm: Warm, world: World, folder: Path) -> None:
        self.world, self.index = world, folder / "index"
        self.other = folder / "other" / "index"
        self.run = Commands(warm, world, self.index)
        self.built = Commands(warm, world, self.other)
        Commands(warm, world, world.index).find()  # the first query writes down what it proved
        sound = Commands(warm, world, copied(world.index, self.index))
        self.answers = {pick: sound.answer(pick) for pick in STRATEGIES}
        self.hits = sound.find()
        assert {ended.code for ended in (*self.answers.values(), self.hits, sound.check())} == {0}
        self.counts: Counter[tuple[str, str]] = Counter()
        self.faults: list[str] = []

    def befall(self, seed: int) -> None:
        damage = make_damage(seed, copied(self.world.index, self.index), self.world)
        alone = seed % 3 == 0  # a build without a repair
        if alone:
            copied(self.index, self.other)
        pick = tuple(STRATEGIES)[seed % len(STRATEGIES)]
        before, tree = blobs(self.index), everything(self.index)

        shown = self.shown(self.run, damage, pick, "at first")
        checked = self.run.check()
        self.expect(not checked.crash, damage, f"check: {checked.crash}")
        sound = set(shown) == {"equal"}
        self.expect(sound or checked.code != 0, damage, "check finds nothing")
        for line in checked.out.splitlines() or [checked.err] * checked.code:
            self.expect(bool(REMEDY.search(line)), damage, f"check names no remedy: {line}")

        dry = self.run.check("--repair", "--dry-run")
        self.expect(not dry.crash, damage, f"dry run: {dry.crash}")
        self.expect(everything(self.index) == tree, damage, "a dry run changes something")
        repaired = self.run.check("--repair", "--videos", self.world.videos)
        self.expect(not repaired.crash, damage, f"repair: {repaired.crash}")
        lost = before - blobs(self.index)
        self.expect(not lost, damage, f"repair deletes {len(lost)} vector files")
        self.mended(self.run, damage, pick, "repair and build")
        if alone:
            self.mended(self.built, damage, pick, "build")

    def shown(self, run: Commands, damage: Damage, pick: str, when: str) -> tuple[str, str]:
        """What answering and searching give."""
        answers, hits = run.answer(pick), run.find()
        shown = (of_answers(answers, self.answers[pick]), of_hits(hits, self.hits))
        for name, found, ended in zip(("answer", "find"), shown, (answers, hits), strict=True):
            self.counts[f"{name} {when}", found] += 1
            told = ended.crash or ended.err or ended.out[:300]
            self.expect(found in ("equal", "named"), damage, f"{name} {when}: {found}: {told}")
            if ALONE_SEED:
                print(f"{damage}: {name} {when}: {found}\n{ended.err}")
        return shown

    def mended(self, run: Commands, damage: Damage, pick: str, when: str) -> None:
        """After a build all is as it was, or check says with which command it will be."""
        there = blobs(run.index)
        built = run.build()
        self.expect(not built.crash, damage, f"{when}: build: {built.crash}")
        good = blobs(self.world.index) & there
        lost = good - blobs(run.index)
        self.expect(not lost, damage, f"{when}: deletes {len(lost)} vector files")
        shown, checked = self.shown(run, damage, pick, f"after {when}"), run.check()
        self.expect(not checked.crash, damage, f"{when}: check: {checked.crash}")
        mended = checked.code == 0 and set(shown) == {"equal"}
        self.counts[f"after {when}", "equal" if mended else "named"] += 1
        named = checked.code and REMEDY.search(checked.out + checked.err)
        told = f"{when}: neither mended nor named: {checked.out}{checked.err}{built.err[-200:]}"
        self.expect(mended or bool(named), damage, told)
        if ALONE_SEED:
            print(f"{damage}: {when}:\n{built.err}{checked.out}{checked.err}")

    def expect(self, right: bool, damage: Damage, what: str) -> None:
        if not right:
            self.faults.append(f"{damage}: {what}")


def blobs(index: Path) -> set[bytes]:
    """The vector files, wherever they are and whatever they are called."""
    return {path.read_bytes() for path in index.rglob("*.h5")}


def everything(index: Path) -> dict[str, bytes]:
    """All files but the lock."""
    paths = (path for path in index.rglob("*") if path.is_file() and path.name != ".lock")
    return {str(path): path.read_bytes() for path in paths}


def damaged(warm: Warm, world: World, folder: Path, numbers: Sequence[int]) -> None:
    """Damage an index for each seed, print the table and look for faults."""
    damager = Damager(warm, world, folder)
    for seed in numbers:
        damager.befall(seed)
    rows = dict.fromkeys(row for row, _ in damager.counts)
    print(f"\n{'':32}", *(f"{name:>8}" for name in CLASSES))
    for row in rows:
        print(f"{row:32}", *(f"{damager.counts[row, name]:8}" for name in CLASSES))
    assert not damager.faults, "\n".join(damager.faults)


def test_damages(warm: Warm, world: World, tmp_path: Path) -> None:
    damaged(warm, world, tmp_path, [int(ALONE_SEED)] if ALONE_SEED else range(12))


@pytest.mark.slow
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("first", range(0, 500, 50))
def test_many_damages(warm: Warm, world: World, tmp_path: Path, first: int) -> None:
    damaged(warm, world, tmp_path, range(first, first + 50))
