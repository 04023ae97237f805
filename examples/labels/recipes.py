"""The recipes that the bench of few labels compares, all by flags of train/main.py."""

from collections.abc import Mapping
from typing import NamedTuple

QUESTIONS_PER_STEP = 64


class Recipe(NamedTuple):
    """How a model is trained on a number of labelled questions."""

    paraphrases: bool
    """Whether the questions have their paraphrases."""
    flags: tuple[str, ...]
    """Of train/main.py, beside those of `COMMON`."""


COMMON = (
    *("--loss_setting", "3", "--accumulation_steps", "1", "--lr", "1e-3", "--ratio", "0"),
    *("--keep", "1", "--save_every", "100000"),
)
_ONE, _FOUR = ("--negatives_per_question", "1"), ("--negatives_per_question", "4")
_FORTY_EPOCHS = ("--epochs", "40")
_STEPS = ("--steps", "360")
BEFORE = Recipe(paraphrases=False, flags=(*_FORTY_EPOCHS, *_ONE))
"""As the demo trained until now."""
AFTER = Recipe(paraphrases=True, flags=(*_STEPS, *_FOUR))
PARTS: Mapping[str, Recipe] = {
    "paraphrases": Recipe(paraphrases=True, flags=BEFORE.flags),
    "four negatives": BEFORE._replace(flags=(*_FORTY_EPOCHS, *_FOUR)),
    "steps": BEFORE._replace(flags=(*_STEPS, *_ONE)),
}
"""Each part of `AFTER` added to `BEFORE` alone."""
RECIPES: Mapping[str, Recipe] = {"before": BEFORE, "after": AFTER, **PARTS}
