"""Killed with -9 at a random file operation, once or twice: nothing is lost, and nothing differs.

A dry run counts the file operations of a command (tests/faults/dying.py). A seed then draws the
one before which it dies, which process does, and whether the next run dies, too. After each kill
what was there before must still be there; after the last run all must be as in a run that nobody
killed. One seed alone:

    CUEFRAME_FAULT_SEED=17 pytest -s tests/faults/test_kills.py -k "not many and build"
"""

import os
import random
import shutil
from collections import Counter
from pathlib import Path

import pytest

from tests.faults.cases import CASES, Case
from tests.faults.conftest import World, copied
from tests.faults.dying import Faults
from tests.faults.warm import Ended, Warm

ALONE = os.environ.get("CUEFRAME_FAULT_SEED")


def seeds(count: int) -> list[int]:
    """So many, or the one that was asked for."""
    return [int(ALONE)] if ALONE else [*range(count)]


class Killer:
    """Kills one case again and again."""

    def __init__(self, warm: Warm, case: Case, folder: Path, processes: int = 1) -> None:
        """Run it without a kill, to know what must come out."""
        self.case = case
        self.folder, self.before = folder / "run", folder / "before"
        self.processes = processes
        self.where: Counter[str] = Counter()
        self._warm = warm
        self.folder.mkdir()
        case.start(self.folder)
        shutil.copytree(self.folder, self.before, symlinks=True)
        ended = self._run()
        assert not ended.crash, ended.err
        assert ended.code in (0, 1), ended.err
        self.code, self.counts = ended.code, [len(done) for done in ended.operations]
        self.expected = case.result(self.folder)

    def _run(self, *more: object, victim: int = 0, kill_at: int = 0) -> Ended:
        faults = [Faults(kill_at * (n == victim)) for n in range(self.processes)]
        return self._warm.run(self.case.script, *self.case.flags(self.folder), *more, faults=faults)

    def kill(self, seed: int) -> None:
        """Kill it once or twice, and then let it run to its end."""
        draw = random.Random(seed)
        told = f"seed {seed}"
        more: tuple[object, ...] = ()
        copied(self.before, self.folder)
        for _ in range(draw.choice((1, 1, 2))):
            victim = draw.randrange(self.processes)
            at = draw.randint(1, self.counts[victim])
            there = self.case.valuables(self.folder)
            ended = self._run(*more, victim=victim, kill_at=at)
            told += f"; process {victim} dies before operation {at} of {self.counts[victim]}"
            done = ended.operations[victim]
            if len(done) == at:
                assert ended.code < 0, f"{told}: ends with {ended.code}: {ended.err}"
                told += f", {done[-1]}"
                self.where[done[-1].split()[0]] += 1
            lost = there - self.case.valuables(self.folder)
            assert not lost, f"{told}: lost {lost}"
            more = self.case.again
        ended = self._run(*more)
        assert (ended.code, ended.crash) == (self.code, ""), f"{told}: {ended.err}"
        result = self.case.result(self.folder)
        for name, value in self.expected.items():
            assert result[name] == value, f"{told}: another {name}"
        if ALONE:
            print(told)


def killed(warm: Warm, case: Case, folder: Path, numbers: list[int], processes: int = 1) -> None:
    """Kill a case for each seed, and print at which operations."""
    killer = Killer(warm, case, folder, processes)
    for seed in numbers:
        killer.kill(seed)
    print(f"{case.script}: {len(numbers)} seeds, killed before {dict(killer.where)}", flush=True)


FEW = (
    *(("build fresh", 1, 2), ("build growing", 1, 3), ("build pruned", 1, 2)),
    *(("build catalog", 1, 1), ("build growing", 2, 2), ("repair catalog", 1, 5)),
    *(("repair search", 1, 5), ("answer", 1, 3), ("answer submission", 1, 5), ("answer", 2, 2)),
    *(("mine", 1, 8), ("mine", 2, 2), ("train", 1, 8), ("train validated", 1, 1), ("train", 2, 1)),
)
"""Cases, numbers of processes and of seeds."""
MANY = (
    *(("build fresh", 1, 50), ("build growing", 1, 60), ("build pruned", 1, 40)),
    *(("build catalog", 1, 30), ("build growing", 2, 20), ("repair catalog", 1, 20)),
    *(("repair search", 1, 20), ("answer", 1, 20), ("answer submission", 1, 30), ("answer", 2, 10)),
    *(("mine", 1, 50), ("mine", 2, 10), ("train", 1, 20), ("train validated", 1, 5)),
    *(("train", 2, 5),),
)


@pytest.mark.parametrize(("name", "processes", "count"), FEW)
def test_kills(
    warm: Warm, world: World, tmp_path: Path, name: str, processes: int, count: int
) -> None:
    killed(warm, CASES[name](warm, world), tmp_path, seeds(count), processes)


@pytest.mark.slow
@pytest.mark.timeout(7200)
@pytest.mark.parametrize(("name", "processes", "count"), MANY)
def test_many_kills(
    warm: Warm, world: World, tmp_path: Path, name: str, processes: int, count: int
) -> None:
    killed(warm, CASES[name](warm, world), tmp_path, seeds(count), processes)
