"""Compare picking rules on a ladder of encoders: what is chosen on one side is measured on another.

    python examples/picks/bench.py bench

The folder holds what `make bench-picks` made before: clips/ of examples/picks/draw.py, and an index
of them by each encoder of the ladder, index/10 … index/100. Two more rungs are the last one with
noise added to its scores.

    bench/chosen.json    which rules and constants were chosen on the choosing side, by rung
    bench/picks.md       the tables, of the test side

The tables go to stderr as well, the result as one JSON object to stdout.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
import numpy.typing as npt
import tyro

from examples.picks.choosing import (
    DEFAULT,
    Chosen,
    Known,
    candidates,
    choose,
    described,
    figures_of,
)
from examples.picks.curves import Curves, encoder_of, picks_of, read_curves, with_noise
from examples.picks.groups import GROUPS, grouped
from examples.picks.ladder import PERCENT
from examples.picks.processes import cores, in_processes
from examples.picks.tables import markdown
from index.messages import json_line, say
from index.run_command import own_default, run
from infer.evaluation.baselines import FIGURES
from infer.evaluation.bootstrap import estimates
from infer.evaluation.score_table import Row, figure_tables, score_table
from infer.evaluation.text_tables import row_json
from infer.metrics import TimedQuestion
from infer.question_files.loading import read_questions
from infer.questions import Question
from infer.selection.rules import Rule

KS = (1, 2, 4, 8)
SHOWN_AT = 4
"""The K of the tables by rung and by group."""
NOISE = (0.5, 1.0)
"""Amplitudes of the noise of two more rungs, in standard deviations of a question's scores."""
SHOWN = ("hit", "recall", "precision", "all@0.5")
Figures = dict[str, npt.NDArray[np.float64]]
"""(N, M) the shown figures of each question's picks, by rule."""


class Rung(NamedTuple):
    """An encoder of the ladder."""

    share: int
    """Per cent of the training."""
    noise: float = 0.0

    def __str__(self) -> str:
        """Return its name in the tables."""
        return f"{self.share} %, noise {self.noise:g}" if self.noise else f"{self.share} %"


def bench(folder: Path, rungs: Sequence[Rung], seed: int, processes: int) -> dict[str, Any]:
    """Choose and measure; return the result, and write it to the folder.

    Some rungs are done at once, each by a process of its own; with 1, all by this one.
    """
    done = in_processes(partial(of_rung, folder, seed), rungs, processes)
    names = [str(rung) for rung in rungs]
    (timed, *_) = [one.pop("timed") for one in done]  # the same on all rungs
    result = {
        "shown_at": SHOWN_AT,
        "groups": list(GROUPS),
        "baselines": baselines(timed, seed),
        "rungs": dict(zip(names, done, strict=True)),
    }
    chosen = {
        name: {k: {what: one[what] for what in CHOSEN} for k, one in done_rung["frames"].items()}
        for name, done_rung in zip(names, done, strict=True)
    }
    (folder / "chosen.json").write_text(json.dumps(chosen, indent=1) + "\n")
    (folder / "picks.md").write_text(markdown(result))
    return result


def of_rung(folder: Path, seed: int, rung: Rung) -> dict[str, Any]:
    """Choose by an encoder's scores on the choosing side, and measure on the test side."""
    index = folder / "index" / str(rung.share)
    encoder = encoder_of(index)
    sides = {
        side: read_curves(index, read_side(folder, side), encoder) for side in ("choosing", "test")
    }
    if rung.noise:
        sides = {side: with_noise(curves, rung.noise, seed) for side, curves in sides.items()}
    test = sides["test"]
    members = grouped(test.timed)
    frames, groups = {}, {}
    for k in KS:
        say(f"{rung}, K = {k}")
        chosen = choose(sides["choosing"], candidates(), k, seed)
        figures = measure(test, chosen, members["kind"], k)
        frames[str(k)] = told(chosen) | {"rows": rows_of(test, figures, seed)}
        if k == SHOWN_AT:
            own = [described(chosen.best[name]) for name in ("hills", "dpp")]
            shown = ("quarters", "top", *own, "auto", "auto by kind")
            some = {name: figures[name] for name in shown}
            groups = {
                by: {name: rows_of(test, some, seed, numbers) for name, numbers in of_by.items()}
                for by, of_by in members.items()
            }
    return {"timed": test.timed, "frames": frames, "groups": groups}


def read_side(folder: Path, side: str) -> list[Question]:
    """Read the questions of a side; those about a sequence of events are not for these rules."""
    file = read_questions(str(folder / "clips" / side / f"{side}.json"))
    return [one for one in file.records if not one.events]


CHOSEN = ("best", "auto", "auto by kind")


def told(chosen: Chosen) -> dict[str, Any]:
    """Return what was chosen, as JSON values under the names of `CHOSEN`."""
    best = {name: described(rule) for name, rule in chosen.best.items()}
    by_kind = {kind: auto.told() for kind, auto in chosen.by_kind.items()}
    return dict(zip(CHOSEN, (best, chosen.auto.told(), by_kind), strict=True))


def measure(curves: Curves, chosen: Chosen, kinds: Mapping[str, Sequence[int]], k: int) -> Figures:
    """Score strategies as they are and at their best, and what was chosen; each rule once."""
    rules = {name: Rule(name) for name in chosen.best}
    rules |= {described(rule): rule for rule in chosen.best.values()} | {"auto": chosen.auto.rule}
    known: Known = {}
    of_rule = {
        rule: figures_of(curves.timed, picks_of(curves, rule, k), k, SHOWN, known)
        for rule in {*rules.values(), *(auto.rule for auto in chosen.by_kind.values())}
    }
    by_kind = np.empty((len(curves.timed), len(SHOWN)))
    for kind, numbers in kinds.items():
        # A kind that the choosing side has not is picked for by the default.
        rule = chosen.by_kind[kind].rule if kind in chosen.by_kind else DEFAULT
        by_kind[numbers] = of_rule[rule][numbers]
    return {name: of_rule[rule] for name, rule in rules.items()} | {"auto by kind": by_kind}


def rows_of(
    curves: Curves, figures: Figures, seed: int, numbers: Sequence[int] | None = None
) -> dict[str, Any]:
    """Return for each rule its figures and their paired differences to quarters and to top."""
    some = list(range(len(curves.timed))) if numbers is None else list(numbers)
    videos = [curves.videos[n] for n in some]

    def row(table: npt.NDArray[np.float64]) -> Any:
        found: Row = dict(zip(SHOWN, estimates(table[some], videos, seed), strict=True))
        return row_json(found)

    return {
        name: {
            "figures": row(own),
            "minus_quarters": row(own - figures["quarters"]),
            "minus_top": row(own - figures["top"]),
        }
        for name, own in figures.items()
    }


def baselines(timed: Sequence[TimedQuestion], seed: int) -> dict[str, dict[str, Any]]:
    """Return uniform, random and oracle at each K, by K."""
    found = {}
    for k in KS:
        table = score_table(timed, figure_tables(timed, {}, k), list(FIGURES), seed)
        rows = {name: row_json(row) for name, row in table.rows.items()}
        found[str(k)] = {
            name: {figure: row[figure] for figure in SHOWN} for name, row in rows.items()
        }
    return found


@dataclass(kw_only=True, slots=True)
class BenchConfig:
    """Flags of examples/picks/bench.py."""

    folder: tyro.conf.Positional[Path]
    """Folder with clips/ and index/."""
    seed: int = 42
    """Seed of the bootstrap and of the noise."""
    processes: Annotated[int | None, own_default("one on each core", "INT")] = None
    """Rungs that are done at once."""


def command(config: BenchConfig) -> int:
    """Run the bench and print its result; returns 0."""
    rungs = [*map(Rung, PERCENT), *(Rung(PERCENT[-1], noise) for noise in NOISE)]
    processes = config.processes or cores()
    result = bench(config.folder, rungs, config.seed, processes)
    print((config.folder / "picks.md").read_text(), file=sys.stderr)
    print(json_line(result))
    return 0


if __name__ == "__main__":
    run(command, BenchConfig, __doc__)
