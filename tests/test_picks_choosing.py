"""What is chosen on the choosing side."""

import numpy as np
import pytest

from examples.picks.choosing import (
    DEFAULT,
    best_constants,
    candidates,
    chosen_rule,
    described,
    rules_to_show,
)
from infer.selection.registry import BASELINES, STRATEGIES
from infer.selection.rules import Rule, load_rule

VIDEOS = [f"v{n // 4}" for n in range(80)]
WORTH = np.random.default_rng(0).random(80)


@pytest.mark.parametrize(("gain", "chosen"), [(0.3, True), (0.001, False), (-0.3, False)])
def test_a_rule_is_chosen_only_if_it_is_better_beyond_doubt(gain: float, chosen: bool) -> None:
    other = Rule("hills", 0.6)
    jitter = np.random.default_rng(1).normal(0, 0.1, 80)
    tried = {DEFAULT: WORTH, other: WORTH + gain + jitter - jitter.mean()}
    choice = chosen_rule(tried, VIDEOS, 42)
    assert choice.rule == (other if chosen else DEFAULT)
    assert choice.lead.mean == pytest.approx(max(gain, 0))
    assert (choice.lead.low > 0) == chosen


def test_the_best_constants_of_each_strategy_are_the_first_of_equals() -> None:
    worth = {
        Rule("top"): 0.5,
        Rule("top", 0.6): 0.7,
        Rule("top", 2.0): 0.7,
        DEFAULT: 0.6,
        Rule("quarters", 0.6): 0.5,
    }
    tried = {rule: np.full(4, mean) for rule, mean in worth.items()}
    assert best_constants(tried) == {"top": Rule("top", 0.6), "quarters": DEFAULT}


def test_all_strategies_are_tried_with_constants_that_they_take() -> None:
    rules = candidates()
    assert len(set(rules)) == len(rules)
    assert DEFAULT in rules
    assert {rule.pick for rule in rules} == set(STRATEGIES) - set(BASELINES)
    for rule in rules:
        load_rule(rule)


def test_a_table_shows_strategies_as_they_are_at_their_best_and_auto() -> None:
    best = {"quarters": DEFAULT, "hills": Rule("hills", 0.6, "each", "mean")}
    choice = chosen_rule({DEFAULT: WORTH}, VIDEOS, 42)
    shown = rules_to_show(best, choice)
    assert list(shown) == ["quarters", "hills", "hills, 0.6 s, each choice (mean)", "auto"]
    assert shown["auto"] == DEFAULT
    assert described(Rule("dpp", 1.5)) == "dpp, 1.5 s"
