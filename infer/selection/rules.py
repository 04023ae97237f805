"""A rule of picking: a strategy, and what its scores are made of."""

from collections.abc import Callable
from typing import NamedTuple

from index.arrays import Floats, Integers
from index.errors import CueframeError
from infer.question_texts import ChoiceTexts
from infer.selection.frame_scores import Join
from infer.selection.joined_encoders import joined
from infer.selection.registry import BASELINES
from infer.selection.smoothing import LONGEST_SMOOTHING_S, smoothed
from infer.selection.strategies import ScoredVideo, load_strategy


class Rule(NamedTuple):
    """How the frames of a question are picked."""

    pick: str = "quarters"
    """A strategy of `infer.selection.registry`."""
    smooth_s: float = 0.0
    """Seconds of `infer.selection.smoothing`; 0: scores as they are."""
    choices: ChoiceTexts = "joined"
    join: Join = "max"


def load_rule(rule: Rule) -> Callable[[ScoredVideo, int], Integers]:
    """Load what picks by a rule, given scores of its texts: (ScoredVideo, k) -> (Q, min(K, F)).

    Raises:
        CueframeError: The seconds are out of range, scores are to be smoothed for a strategy that
            uses none, or those of one text to be averaged.
    """
    if rule.join == "mean" and rule.choices == "joined":
        raise CueframeError("--join mean joins the texts of --choices each; name that, too")
    if not 0 <= rule.smooth_s <= LONGEST_SMOOTHING_S:
        raise CueframeError(
            f"--smooth-s is {rule.smooth_s:g}; give seconds from 0 to {LONGEST_SMOOTHING_S}"
        )
    choose = load_strategy(rule.pick)
    if rule.smooth_s and rule.pick in BASELINES:
        raise CueframeError(
            f"--smooth-s {rule.smooth_s:g} changes nothing for --pick {rule.pick}, which uses no "
            "scores; leave it out, or name another strategy"
        )

    def choose_by_curves(video: ScoredVideo, k: int) -> Integers:
        return choose(video._replace(scores=curves(video, rule.smooth_s)), k)

    return choose_by_curves


def curves(video: ScoredVideo, smooth_s: float) -> Floats:
    """Return (Q, F) the curves from which is picked: scores of all encoders joined and smoothed."""
    scores = joined(video.scores, video.others)
    return smoothed(scores, video.time_s, smooth_s) if smooth_s else scores
