"""Choose rules and their constants on the choosing side, so that the table has none of its own.

Legend: N questions.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from examples.picks.curves import JOINS, Curves, picks_of
from index.arrays import Floats
from infer.evaluation.baselines import FIGURES
from infer.evaluation.bootstrap import Estimate, estimates
from infer.metrics import TimedQuestion, picked_spans
from infer.selection.registry import BASELINES, STRATEGIES
from infer.selection.rules import Rule

SMOOTH_S = (0.0, 0.6, 0.75, 1.0, 1.5, 2.0)
"""Seconds of smoothing to try. At 2 frames a second 0.5 s would reach no neighbour."""
JUDGED = ("hit", "all@0.5")
"""The figures whose mean decides."""
DEFAULT = Rule()

Tried = dict[Rule, npt.NDArray[np.float64]]
"""(N,) the mean of the judged figures for each question, by rule."""


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
        rule: figures_of(curves.timed, picks_of(curves, rule, k), k, JUDGED, known).mean(axis=1)
        for rule in rules
    }


def best_constants(tried: Tried) -> dict[str, Rule]:
    """Return the best rule of each strategy, the first of equals."""
    best: dict[str, Rule] = {}
    for rule, worth in tried.items():
        if rule.pick not in best or worth.mean() > tried[best[rule.pick]].mean():
            best[rule.pick] = rule
    return best


class Choice(NamedTuple):
    """The rule that was chosen."""

    rule: Rule
    lead: Estimate
    """By how much the best rule's mean of the judged figures exceeds that of the default."""


def chosen_rule(tried: Tried, videos: Sequence[str], seed: int) -> Choice:
    """Choose the best rule if it is better than the default beyond doubt, else the default.

    Beyond doubt: the 95 % interval of the paired difference, by videos, is above zero.
    """
    best = max(tried, key=lambda rule: tried[rule].mean())
    (lead,) = estimates((tried[best] - tried[DEFAULT])[:, None], videos, seed)
    return Choice(best if lead.low > 0 else DEFAULT, lead)


def described(rule: Rule) -> str:
    """Say a rule in a few words."""
    texts = "" if rule.choices == "joined" else f", each choice ({rule.join})"
    smooth = f", {rule.smooth_s:g} s" if rule.smooth_s else ""
    return f"{rule.pick}{smooth}{texts}"


def rules_to_show(constants: Mapping[str, Rule], choice: Choice) -> dict[str, Rule]:
    """Return the rules of the table by name: strategies as they are and at their best, and auto."""
    plain = {name: Rule(name) for name in constants}
    return plain | {described(rule): rule for rule in constants.values()} | {"auto": choice.rule}
