"""The strategies by the value of `--pick`; a new one needs one line here and nothing else.

This file does not import NumPy: the flag is made from it, and --help has to be quick.
"""

from typing import NamedTuple


class Strategy(NamedTuple):
    """The location of a strategy, and its text in --help."""

    function: str
    """Module and function; see `infer.selection.strategies`."""
    help: str


_OWN, _PUBLISHED = "infer.selection.strategies", "infer.selection.published"

STRATEGIES = {
    "quarters": Strategy(f"{_OWN}:pick_quarters", "the best frame of each of K equal segments"),
    "top": Strategy(f"{_OWN}:pick_top", "the K best wherever they are"),
    "top-apart": Strategy(f"{_OWN}:pick_top_apart", "the best, half a segment apart"),
    "hills": Strategy(
        "infer.selection.hills:pick_hills", "the best peaks of the score curve, one of each hill"
    ),
    "mmr": Strategy(f"{_PUBLISHED}:pick_mmr", "the best that are not alike"),
    "dpp": Strategy("infer.selection.dpp:pick_dpp", "determinantal point process"),
    "aks": Strategy(f"{_PUBLISHED}:pick_aks", "adaptive keyframe sampling"),
    "bolt": Strategy(f"{_PUBLISHED}:pick_bolt", "inverse transform sampling"),
    "uniform": Strategy(f"{_OWN}:pick_uniform", "the middle of each segment"),
    "random": Strategy(f"{_OWN}:pick_random", "any frame of each segment"),
}
BASELINES = ("uniform", "random")
"""Strategies that use no scores; every score table has them as rows to compare with."""
