"""The panel: pickers beside uniform, random and oracle, each figure with its 95 % interval.

Intervals are percentile bootstraps over *videos* (2,000 resamples): questions about one video stand
or fall together, so resampling questions would promise too much. Differences to uniform are paired:
the same questions, the same resamples.

Legend: N questions, V videos, M figures, R resamples.
"""

import functools
import math
import sys
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TextIO

import numpy as np
import numpy.typing as npt

from index.progress import bar
from infer.baselines import FIGURES
from infer.metrics import Timed, labelled
from infer.pick import pick_uniform

Floats = npt.NDArray[np.floating[Any]]
Tables = dict[str, npt.NDArray[np.float64]]
"""(N, M) figures by picker; NaN is a question without the label."""

RESAMPLES = 2_000


class Estimate(NamedTuple):
    """A mean over questions and its 95 % interval."""

    mean: float
    low: float
    """NaN, as `high`, where a single video gives no interval."""
    high: float
    questions: int
    """That have the label."""


Row = dict[str, Estimate]
"""By figure; one that no question has the label for is left out."""


class Panel(NamedTuple):
    """What pickers are worth on the same questions."""

    rows: dict[str, Row]
    """The pickers', then uniform, random and oracle."""
    minus_uniform: dict[str, Row]
    """Of each picker but uniform: the paired difference."""
    questions: int
    """Questions with support times or ranges."""
    skipped: int
    """Questions without."""


def uniform_picks(timed: Sequence[Timed], k: int) -> list[Floats]:
    """The times in seconds that `infer.pick.pick_uniform` takes for each question."""
    return [one.time_s[pick_uniform(one.time_s, one.duration_s, k)] for one in timed]


def tables_of(timed: Sequence[Timed], picks: Mapping[str, Sequence[Floats]], k: int) -> Tables:
    """Score pickers beside uniform, random and oracle; columns stand as in `FIGURES`.

    Args:
        timed: The N questions.
        picks: For each picker's name, the ascending times in seconds of its picks for each
            question.
        k: K, which the baselines are held to.
    """
    both = [
        [figure.random_and_oracle(one, k) for figure in FIGURES.values()]
        for one in bar(timed, "question", len(timed))
    ]
    figures = {
        name: [
            [f.value(one, times_s, k) for f in FIGURES.values()]
            for one, times_s in zip(timed, own, strict=True)
        ]
        for name, own in (*picks.items(), ("uniform", uniform_picks(timed, k)))
    }
    figures["random"] = [[random for random, _ in row] for row in both]
    figures["oracle"] = [[oracle for _, oracle in row] for row in both]
    return {name: np.array(rows).reshape(-1, len(FIGURES)) for name, rows in figures.items()}


def panel(timed: Sequence[Timed], tables: Tables, columns: Sequence[str], seed: int) -> Panel:
    """Means, intervals and differences to uniform.

    Args:
        timed: The N questions.
        tables: From `tables_of`, perhaps with more columns, such as those of `sim_m`.
        columns: Their names.
        seed: Of the bootstrap.

    Raises:
        CueframeError: No question is labelled.
    """
    known = labelled(one.question for one in timed)
    videos = [one.video for one in timed]

    def row(table: npt.NDArray[np.float64]) -> Row:
        found = zip(columns, estimates(table, videos, seed), strict=True)
        return {name: estimate for name, estimate in found if estimate.questions}

    return Panel(
        rows={name: row(table) for name, table in tables.items()},
        minus_uniform={
            name: row(table - tables["uniform"])
            for name, table in tables.items()
            if name != "uniform"
        },
        questions=known,
        skipped=len(timed) - known,
    )


class Resamples(NamedTuple):
    """The bootstrap's draws; the same for all tables of the same questions and seed."""

    video: npt.NDArray[np.int64]
    """(N,) each question's video, from 0 to V-1."""
    times: npt.NDArray[np.float64]
    """(R, V) how often each video was drawn."""

    def of_videos(self, table: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """(V, M) sums over each video's questions of a table (N, M)."""
        sums = np.zeros((self.times.shape[1], table.shape[1]))
        np.add.at(sums, self.video, table)
        return sums


def resample(videos: Sequence[str], seed: int) -> Resamples:
    """Draw whole videos; videos (N,) are the questions'."""
    names, video = np.unique(np.array(videos, np.str_), return_inverse=True)
    return Resamples(video, _draws(len(names), seed))


@functools.lru_cache(maxsize=1)  # many tables in a row are of the same videos
def _draws(videos: int, seed: int) -> npt.NDArray[np.float64]:
    """(R, V) draws of as many videos as there are, each as likely."""
    even = np.full(videos, 1 / videos)
    draws = np.random.default_rng(seed).multinomial(videos, even, RESAMPLES).astype(np.float64)
    draws.setflags(write=False)
    return draws


def interval(drawn: Floats, counts: Floats, draws: Resamples) -> tuple[float, float]:
    """The 95 % interval of what is drawn (R,), questions per video counts (V,); NaN for one."""
    if np.count_nonzero(counts) < 2:
        return float("nan"), float("nan")
    low, high = np.percentile(drawn[draws.times @ counts > 0], [2.5, 97.5]).tolist()
    return low, high


def estimates(table: npt.NDArray[np.float64], videos: Sequence[str], seed: int) -> list[Estimate]:
    """The mean of each column (N, M) over the rows that are not NaN, and its interval.

    Args:
        table: A row for each question.
        videos: Each question's video; the bootstrap draws whole videos.
        seed: The same for all tables that shall be compared.
    """
    draws = resample(videos, seed)
    known = ~np.isnan(table)
    sums = draws.of_videos(np.where(known, table, 0.0))  # (V, M)
    counts = draws.of_videos(known.astype(np.float64))
    found = []
    for column in range(table.shape[1]):
        many = draws.times @ counts[:, column]  # (R,)
        drawn = draws.times @ sums[:, column] / np.where(many > 0, many, 1.0)
        total = int(counts[:, column].sum())
        mean = float(sums[:, column].sum()) / total if total else float("nan")
        found.append(Estimate(mean, *interval(drawn, counts[:, column], draws), total))
    return found


def means(rows: Mapping[str, Row]) -> dict[str, dict[str, float]]:
    """The means alone, by picker and figure."""
    return {
        name: {figure: estimate.mean for figure, estimate in row.items()}
        for name, row in rows.items()
    }


def plain(row: Row) -> dict[str, dict[str, float | int | None]]:
    """A row for JSON, which knows no NaN."""
    return {
        figure: {
            name: None if math.isnan(number) else round(number, 6)
            for name, number in estimate._asdict().items()
        }
        for figure, estimate in row.items()
    }


def as_json(result: Panel) -> dict[str, Any]:
    """A panel for JSON."""
    return {
        "rows": {name: plain(row) for name, row in result.rows.items()},
        "minus_uniform": {name: plain(row) for name, row in result.minus_uniform.items()},
    }


def shown(figure: str, value: float) -> str:
    """A figure as tables show it: per cent, or seconds where its name ends in _s."""
    return f"{value:.2f}" if figure.endswith("_s") else f"{100 * value:.1f}"


def with_interval(figure: str, row: Row) -> str:
    """`97.9 (94.7 … 100.0)`; the mean alone where there is no interval, "–" without the figure."""
    if figure not in row:
        return "–"
    mean, low, high, _ = row[figure]
    interval = "" if math.isnan(low) else f" ({shown(figure, low)} … {shown(figure, high)})"
    return shown(figure, mean) + interval


def panel_cells(result: Panel, pickers: Sequence[str]) -> list[list[str]]:
    """The panel as texts: figures down; across all rows, then the pickers' lead over uniform."""
    across = result.rows | {f"{name} − uniform": result.minus_uniform[name] for name in pickers}
    figures = dict.fromkeys(figure for row in result.rows.values() for figure in row)
    body = [[f, *(with_interval(f, row) for row in across.values())] for f in figures]
    return [["%, _s: seconds", *across], *body]


def group_cells(
    groups: Mapping[str, Mapping[str, Panel]], picker: str, figure: str
) -> list[list[str]]:
    """One figure by kind of question, as texts."""
    head = [f"{figure}, %, by", "questions", picker, "uniform", f"{picker} − uniform"]
    body = [
        [
            f"{grouping}: {name}",
            str(of.questions),
            with_interval(figure, of.rows[picker]),
            with_interval(figure, of.rows["uniform"]),
            with_interval(figure, of.minus_uniform[picker]),
        ]
        for grouping, panels in groups.items()
        for name, of in panels.items()
    ]
    return [head, *body]


def print_table(table: Sequence[Sequence[str]], file: TextIO | None = None) -> None:
    """Print a table of texts, the first line its head: aligned, to stderr or another file."""
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for name, *rest in table:
        right = (text.rjust(width) for text, width in zip(rest, widths[1:], strict=True))
        print("  ".join([name.ljust(widths[0]), *right]), file=file or sys.stderr)
