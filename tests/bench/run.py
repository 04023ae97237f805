"""Measure what Cueframe promises of speed and memory, each row beside its rival.

    python tests/bench/run.py              every row
    python tests/bench/run.py decoding     the rows of tests/bench/decoding.py

Each row is added to bench.json when it is done, in the place of an earlier one of its name; the
table of all rows in that file goes to stdout.
"""

import json
import os
import platform
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from pkgutil import resolve_name
from typing import Annotated, Any

import tyro

from index.errors import CueframeError
from index.messages import say
from index.run_command import own_default, positive, run
from index.storage.atomic_write import written_whole
from tests.bench.frame import Row, measured

ROWS = {
    "decoding": "tests.bench.decoding:rows",
    "build": "tests.bench.build:rows",
    "answers": "tests.bench.answers:rows",
    "per_question": "tests.bench.per_question:rows",
    "no_change": "tests.bench.no_change:rows",
    "one_answer": "tests.bench.one_answer:rows",
    "memory": "tests.bench.memory:rows",
}
"""The function of each file's rows: (folder for what they need, whole sizes or small) -> rows."""
Rows = Callable[[Path, bool], Iterable[Row]]


@dataclass(kw_only=True, slots=True)
class BenchConfig:
    """Flags of tests/bench/run.py."""

    rows: Annotated[tyro.conf.Positional[tuple[str, ...]], tyro.conf.arg(metavar="ROWS")] = ()
    """Files of tests/bench whose rows are measured; without any, all of them."""
    folder: Path = Path("bench/speed")
    """Where the videos and models are made that the rows need; they are kept for the next run."""
    output: Path = Path("bench.json")
    """Results of this run and of earlier ones."""
    whole: bool = False
    """The sizes that are promised, which take hours, in the place of those that the notes tell."""
    rounds: Annotated[int | None, own_default("the row's own", "INT")] = None
    """How often each row is measured."""
    skip: tuple[str, ...] = field(default=())
    """Files of tests/bench to leave out."""


def bench(config: BenchConfig) -> int:
    """Measure the rows; return 1 if one of them could not be measured, else 0."""
    positive("--rounds", config.rounds)
    for name in (*config.rows, *config.skip):
        if name not in ROWS:
            raise CueframeError(f"there are no rows {name}; name some of {', '.join(ROWS)}")
    results = _read(config.output)
    failed = False
    for name in config.rows or ROWS:
        if name in config.skip:
            continue
        rows: Rows = resolve_name(ROWS[name])
        try:
            for row in rows(config.folder.resolve() / name, config.whole):
                say(f"{name}: {row.name}")
                result = measured(row, config.rounds)
                results[row.name] = {
                    **result.as_json(),
                    "machine": machine(),
                    "command": " ".join(sys.argv),
                }
                _write(config.output, results)
                say(f"    {'; '.join(_told(one) for one in results[row.name]['figures'])}")
        except CueframeError as error:
            failed = True
            say(f"failed: {error}")
    print("\n".join(table(results.values())))
    return int(failed)


def machine() -> str:
    """Return the machine and the libraries that decide the figures, in one line."""
    models = [
        line.split(":")[1].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    libraries = ", ".join(f"{name} {version(name)}" for name in ("torch", "av", "transformers"))
    name = models[0] if models else platform.machine()
    return f"{name}, {os.cpu_count()} cores; Python {platform.python_version()}, {libraries}"


def table(results: Iterable[dict[str, Any]]) -> list[str]:
    """Return the Markdown table of results, a line for each figure."""
    lines = ["| row | figure | median (lowest … highest) | to reach | |", "|---|---|---|---|---|"]
    for one in results:
        note = f" ({one['note']})" if one["note"] else ""
        for n, figure in enumerate(one["figures"]):
            value = (
                f"{_short(figure['median'])} ({_short(figure['low'])} … {_short(figure['high'])})"
            )
            there = ("✓" if figure["reached"] else "✗") if figure["target"] else ""
            name = one["row"] + note if n == 0 else ""
            lines.append(f"| {name} | {figure['what']} | {value} | {figure['target']} | {there} |")
    return lines


def _told(figure: dict[str, Any]) -> str:
    return f"{figure['what']} {_short(figure['median'])}, to reach {figure['target'] or 'anything'}"


def _short(value: float) -> str:
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"


def _read(path: Path) -> dict[str, dict[str, Any]]:
    if not path.exists():
        return {}
    try:
        return {one["row"]: one for one in json.loads(path.read_text())["rows"]}
    except (ValueError, KeyError, TypeError) as error:
        raise CueframeError(f"{path} is no result of the bench; name another --output") from error


def _write(path: Path, results: dict[str, dict[str, Any]]) -> None:
    content = json.dumps({"rows": list(results.values())}, indent=1)
    with written_whole(path) as half:
        half.write_text(content + "\n")


if __name__ == "__main__":
    run(bench, BenchConfig, __doc__)
