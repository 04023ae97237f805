"""What a row of the bench is, and how it is measured.

A row compares sides, of which each is a command. They run in turn, round after round, each in a
process of its own, and every figure is made within one round: so a machine that is slower for a
while is slower for both sides. A side may print a JSON object as its last line, with what it alone
knows, such as the seconds that it spent on loading.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from index.errors import CueframeError
from tests.paths import ROOT


class Spent(NamedTuple):
    """What one run of a side cost."""

    wall_s: float
    cpu_s: float
    """Of the process and of its children."""
    peak_mb: float
    """The largest resident memory of any one process, in units of 10**6 bytes."""
    said: dict[str, Any]
    """The JSON object that it printed last; empty if it printed none."""


Round = Mapping[str, Spent]
"""What each side of a row cost in one round, by name."""


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A number that is made of one round, and what it should be."""

    what: str
    """How it is made, for example "CPU / CPU in order"."""
    of: Callable[[Round], float]
    at_most: float | None = None
    at_least: float | None = None

    def reached(self, value: float) -> bool:
        """Say whether a value is as it should be; True where nothing is asked."""
        low, high = self.at_least, self.at_most
        return (high is None or value <= high) and (low is None or value >= low)

    @property
    def target(self) -> str:
        """What it should be, in signs; empty where nothing is asked."""
        parts = [("≥", self.at_least), ("≤", self.at_most)]
        return " and ".join(f"{sign} {bound:g}" for sign, bound in parts if bound is not None)


@dataclass(frozen=True, kw_only=True)
class Row:
    """A row of the bench."""

    name: str
    sides: Mapping[str, Sequence[str]]
    """The command of each side by its name, run from the checkout's root."""
    figures: Sequence[Figure]
    rounds: int = 3
    note: str = ""
    """The size of what is measured, and in what it differs from what was promised."""


@dataclass(frozen=True, kw_only=True)
class Result:
    """A measured row."""

    row: Row
    seconds: float
    rounds: list[dict[str, Spent]] = field(default_factory=list)

    def values(self, figure: Figure) -> list[float]:
        """Return a figure's value in each round."""
        return [figure.of(one) for one in self.rounds]

    def as_json(self) -> dict[str, Any]:
        """Return what bench.json keeps of it."""
        sides = {
            name: {"command": list(argv), "rounds": [one[name]._asdict() for one in self.rounds]}
            for name, argv in self.row.sides.items()
        }
        figures = [
            {
                "what": figure.what,
                "target": figure.target,
                "median": statistics.median(values := self.values(figure)),
                "low": min(values),
                "high": max(values),
                "reached": figure.reached(statistics.median(values)),
            }
            for figure in self.row.figures
        ]
        return {
            "row": self.row.name,
            "note": self.row.note,
            "seconds": round(self.seconds, 1),
            "figures": figures,
            "sides": sides,
        }


def python(module: str, *words: object) -> list[str]:
    """Return the command of a side that is a module of ours, with its words."""
    return [sys.executable, "-m", module, *map(str, words)]


def command(script: str, *words: object) -> list[str]:
    """Return the command of a side that is one of Cueframe's, such as index/build.py."""
    return [sys.executable, str(ROOT / script), *map(str, words)]


def ratio(
    value: str,
    side: str,
    rival: str,
    *,
    at_most: float | None = None,
    at_least: float | None = None,
) -> Figure:
    """Return the figure side / rival of a field of `Spent`, such as "cpu_s"."""
    named = {"cpu_s": "CPU", "wall_s": "time", "peak_mb": "peak memory"}[value]
    return Figure(
        what=f"{named}: {side} / {rival}",
        of=lambda one: float(getattr(one[side], value) / getattr(one[rival], value)),
        at_most=at_most,
        at_least=at_least,
    )


def measured(row: Row, rounds: int | None = None) -> Result:
    """Measure a row; every second round goes through the sides backwards.

    Raises:
        CueframeError: A side failed.
    """
    began_s = time.monotonic()
    names = list(row.sides)
    done: list[dict[str, Spent]] = []
    for number in range(rounds or row.rounds):
        order = names if number % 2 == 0 else names[::-1]
        done.append({name: spent_by(row.sides[name], f"{row.name}, {name}") for name in order})
    return Result(row=row, seconds=time.monotonic() - began_s, rounds=done)


def spent_by(argv: Sequence[str], name: str) -> Spent:
    """Run a command to its end and return what it cost.

    Raises:
        CueframeError: It failed; the last line that it wrote to stderr is named.
    """
    paths = [str(ROOT), os.environ.get("PYTHONPATH", "")]
    environment = {
        **os.environ,
        "HF_HUB_OFFLINE": "1",
        "PYTHONPATH": os.pathsep.join(filter(None, paths)),
    }
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        began_s = time.monotonic()
        process = subprocess.Popen(argv, stdout=out, stderr=err, cwd=ROOT, env=environment)
        try:
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:
            process.kill()
            process.wait()
            raise
        wall_s = time.monotonic() - began_s
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            err.seek(0)
            why = (err.read().strip().splitlines() or ["it wrote nothing to stderr"])[-1]
            raise CueframeError(f"{name} ended with code {process.returncode}: {why}")
        out.seek(0)
        return Spent(
            wall_s, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024 / 1e6, _last_json(out)
        )


def _last_json(lines: Iterator[str]) -> dict[str, Any]:
    *_, last = "", *lines
    try:
        said = json.loads(last)
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}


def file_in(folder: Path, name: str, make: Callable[[Path], object]) -> Path:
    """Return a file or folder that rows share, made when it is first asked for.

    It is made under another name, so that what an interrupted run left is not taken for whole.
    """
    path = folder / name
    if not path.exists():
        half = folder / f"half-{name}"
        folder.mkdir(parents=True, exist_ok=True)
        if half.is_dir():
            shutil.rmtree(half)
        make(half)
        half.rename(path)
    return path
