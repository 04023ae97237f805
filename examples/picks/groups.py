"""Groups of the bench's questions: by kind, by the length of their event, by that of their clip."""

from collections.abc import Callable, Sequence

from infer.evaluation.breakdown import GROUPINGS
from infer.metrics import TimedQuestion

KINDS = ("one", "several", "whole")
EVENT_S = (0.5, 1.0, 2.0)
"""Borders between the groups of events by length in seconds."""

Group = tuple[float, str]
"""Sort key and name."""


def kind(one: TimedQuestion) -> Group:
    """Return the kind that `examples.picks.asking` gave to a question."""
    name = str((one.question.model_extra or {})["kind"])
    return float(KINDS.index(name)), name


def event_length(one: TimedQuestion) -> Group | None:
    """Return the group of the only event that a question is about; None if there are several."""
    if len(one.question.support_ranges) != 1:
        return None
    ((start_s, end_s),) = one.question.support_ranges
    above = [border for border in EVENT_S if end_s - start_s >= border]
    below = EVENT_S[len(above) :]
    if not above:
        return 0.0, f"under {below[0]:g} s"
    name = f"{above[-1]:g} to {below[0]:g} s" if below else f"{above[-1]:g} s and over"
    return above[-1], name


GROUPS: dict[str, Callable[[TimedQuestion], Group | None]] = {
    "kind": kind,
    "event length": event_length,
    "clip length": GROUPINGS["clip_length"],
}
"""Groupings by name."""


def grouped(timed: Sequence[TimedQuestion]) -> dict[str, dict[str, list[int]]]:
    """Return the groups of each grouping, in order, with the numbers of their questions."""
    found = {}
    for by, group_of in GROUPS.items():
        groups: dict[Group, list[int]] = {}
        for n, one in enumerate(timed):
            if group := group_of(one):
                groups.setdefault(group, []).append(n)
        found[by] = {name: numbers for (_, name), numbers in sorted(groups.items())}
    return found
