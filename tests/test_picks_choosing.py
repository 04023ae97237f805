"""What is chosen on the choosing side."""

import numpy as np
import pytest

from examples.picks.choosing import (
    DEFAULT,
    best_constants,
    candidates,
    chosen_rule,
    described,
)
from infer.selection.registry import BASELINES, STRATEGIES
from infer.selection.rules import Rule, load_rule

VIDEOS = [f"v{n // 4}" for n in range(80)]
WORTH = np.random.default_rng(0).random((80, 2))


@pytest.mark.parametrize(("gain", "chosen"), [(0.3, True), (0.0, False), (-0.3, False)])
def test_a_rule_is_chosen_only_if_it_is_better_beyond_doubt(gain: float, chosen: bool) -> None:
    other = Rule("hills", 0.6)
    tried = dict.fromkeys(candidates(), WORTH - 0.5) | {DEFAULT: WORTH, other: WORTH + gain}
    for numbers in (range(80), range(40)):
        auto = chosen_rule(tried, VIDEOS, numbers, 2.0, 42)
        assert auto.rule == (other if chosen else DEFAULT)
        assert auto.told()["rule"] == ("hills, 0.6 s" if chosen else "quarters")


def test_the_best_constants_of_each_strategy_are_the_first_of_equals() -> None:
    worth = {
        Rule("top"): 0.5,
        Rule("top", 0.6): 0.7,
        Rule("top", 2.0): 0.7,
        DEFAULT: 0.6,
        Rule("quarters", 0.6): 0.5,
    }
    tried = {rule: np.full((4, 2), mean) for rule, mean in worth.items()}
    assert best_constants(tried) == {"top": Rule("top", 0.6), "quarters": DEFAULT}


def test_all_strategies_are_tried_with_constants_that_they_take() -> None:
    rules = candidates()
    assert len(set(rules)) == len(rules)
    assert DEFAULT in rules
    assert {rule.pick for rule in rules} == set(STRATEGIES) - set(BASELINES)
    for rule in rules:
        load_rule(rule)


def test_a_rule_is_said_in_a_few_words() -> None:
    assert described(DEFAULT) == "quarters"
    assert described(Rule("dpp", 1.5)) == "dpp, 1.5 s"
    assert described(Rule("hills", 0.6, "each", "mean")) == "hills, 0.6 s, each choice (mean)"
