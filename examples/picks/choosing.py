"""Choose rules and their constants on the choosing side, so that the table has none of its own.

Legend: N questions.
"""

from collections.abc import Iterable, Sequence
from itertools import product
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from examples.picks.curves import JOINS, Curves, picks_of
from examples.picks.groups import grouped
from index.arrays import Floats
from infer.choosing import candidates_of
from infer.evaluation.baselines import FIGURES
from infer.evaluation.rule_choice import MAXIMISED, RuleChoice, choose_rule
from infer.evaluation.rule_picks import Candidate
from infer.evaluation.text_tables import row_json
from infer.metrics import TimedQuestion, picked_spans
from infer.selection.registry import BASELINES, STRATEGIES
from infer.selection.rules import Rule

SMOOTH_S = (0.0, 0.6, 0.75, 1.0, 1.5, 2.0)
"""Seconds of smoothing to try. At 2 frames a second 0.5 s would reach no neighbour."""
DEFAULT = Rule()

Tried = dict[Rule, npt.NDArray[np.float64]]
"""(N, 2) the figures of `infer.evaluation.rule_choice.MAXIMISED`, whose mean decides, by rule."""


def candidates() -> list[Rule]:
    """Return all rules to try: each strategy with each smoothing and each kind of texts."""
    names = [name for name in STRATEGIES if name not in BASELINES]
    texts = [(choices, join) for choices, joins in JOINS.items() for join in joins]
    return [Rule(name, s, *made) for name, s, made in product(names, SMOOTH_S, texts)]


Known = dict[tuple[int, bytes], list[float]]
"""Figures of a question's picks, by its number and their times: many rules pick the same."""


def figures_of(
    timed: Sequence[TimedQuestion],
    picks: Sequence[Floats],
    k: int,
    figures: Iterable[str],
    known: Known,
) -> npt.NDArray[np.float64]:
    """Return (N, M) some figures of each question's picks, and remember them in `known`."""
    values = [FIGURES[name].value for name in figures]
    rows = []
    for n, (one, picked_s) in enumerate(zip(timed, picks, strict=True)):
        key = n, picked_s.tobytes()
        if key not in known:
            spans = picked_spans(one, picked_s)
            known[key] = [value(one, spans, k) for value in values]
        rows.append(known[key])
    return np.array(rows, np.float64)


def try_rules(curves: Curves, rules: Iterable[Rule], k: int) -> Tried:
    """Pick by each rule and judge the picks."""
    known: Known = {}
    return {
        rule: figures_of(curves.timed, picks_of(curves, rule, k), k, MAXIMISED, known)
        for rule in rules
    }


def best_constants(tried: Tried) -> dict[str, Rule]:
    """Return the best rule of each strategy, the first of equals."""
    best: dict[str, Rule] = {}
    for rule, worth in tried.items():
        if rule.pick not in best or worth.mean() > tried[best[rule.pick]].mean():
            best[rule.pick] = rule
    return best


class Auto(NamedTuple):
    """What `infer/compare.py --choose` would write."""

    rule: Rule
    choice: RuleChoice

    def told(self) -> dict[str, Any]:
        """Return what a reader wants to know of it, as JSON values."""
        return {
            "rule": described(self.rule),
            "why": self.choice.why,
            "gains": row_json(self.choice.gains),
        }


def chosen_rule(
    tried: Tried, videos: Sequence[str], numbers: Sequence[int], fps: float, seed: int
) -> Auto:
    """Choose by some of the questions, as `infer/compare.py --choose` does.

    Args:
        tried: Figures of its candidates, and perhaps of more rules.
        videos: (N,) each question's video.
        numbers: Which questions count.
        fps: Frames per second of the index.
        seed: Seed of the folds and of the bootstrap.
    """
    candidates = candidates_of(Candidate(DEFAULT, 1), fps, has_choices=True).values()
    rules = [candidate.rule for candidate in candidates]
    some = np.array(numbers)
    tables = {
        figure: np.stack([tried[rule][some, column] for rule in rules], axis=1)
        for column, figure in enumerate(MAXIMISED)
    }
    choice = choose_rule(tables, [videos[n] for n in numbers], seed)
    return Auto(rules[choice.kept], choice)


def described(rule: Rule) -> str:
    """Say a rule in a few words."""
    texts = "" if rule.choices == "joined" else f", each choice ({rule.join})"
    smooth = f", {rule.smooth_s:g} s" if rule.smooth_s else ""
    return f"{rule.pick}{smooth}{texts}"


class Chosen(NamedTuple):
    """All that was chosen on the choosing side."""

    best: dict[str, Rule]
    """Every strategy with its best constants."""
    auto: Auto
    """One rule for all questions."""
    by_kind: dict[str, Auto]
    """A rule for each kind of question, chosen by questions of that kind."""


def choose(curves: Curves, rules: Iterable[Rule], k: int, seed: int) -> Chosen:
    """Choose among rules for K frames."""
    tried = try_rules(curves, rules, k)
    everything = range(len(curves.timed))
    kinds = {"all": everything, **grouped(curves.timed)["kind"]}
    autos = {
        kind: chosen_rule(tried, curves.videos, numbers, curves.fps, seed)
        for kind, numbers in kinds.items()
    }
    return Chosen(best_constants(tried), autos.pop("all"), autos)
