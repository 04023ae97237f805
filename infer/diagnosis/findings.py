"""What a check finds: how bad it is, in words and in figures, and what to do."""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from index.errors import CueframeError

Severity = Literal["problem", "note", "fine"]
"""problem: a question is lost, or read or scored wrongly. note: it can be better. fine: nothing to
do."""
MOST_EXAMPLES = 5
"""Examples of a finding that are named; its figures count all."""


class Finding(NamedTuple):
    """What one check found."""

    kind: str
    """Its name in --json."""
    severity: Severity
    what: str
    """One sentence, with counts."""
    figures: Mapping[str, Any]
    """The counts, for --json."""
    examples: tuple[str, ...] = ()
    """Ids, or lines that begin with one."""
    advice: tuple[str, ...] = ()
    """What to do: commands, and what to change in the file. Of a problem or a note there is one at
    least, and it removes the finding."""


class Tally:
    """How many there are of a kind, and the first of them by name."""

    def __init__(self) -> None:
        self.count = 0
        self.ids: tuple[str, ...] = ()
        self.examples: tuple[str, ...] = ()
        """The ids with what is said of each."""

    def add(self, name: str, said: str = "") -> None:
        """Count one more."""
        self.count += 1
        if len(self.ids) < MOST_EXAMPLES:
            self.ids = (*self.ids, name)
            self.examples = (*self.examples, f"{name} ({said})" if said else name)

    def named(self) -> str:
        """Name them in an advice: "q1, q2 and 7 more"."""
        return these(self.ids, self.count)


def of_error(kind: str, error: CueframeError) -> Finding:
    """Return an error as a problem, with its remedy as advice."""
    what, _, remedy = str(error).partition("; ")
    return Finding(kind, "problem", what, {}, advice=(remedy,) if remedy else ())


def some(count: int, noun: str) -> str:
    """Format a number of things: "1 video", "2 videos"."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def share(part: int, whole: int) -> str:
    """Format a part of a whole: "12 of 120 (10.0 %)"."""
    return f"{part} of {whole} ({percent(part / whole)})"


def percent(part: float) -> str:
    """Format a fraction."""
    return f"{100 * part:.1f} %"


def these(names: tuple[str, ...], count: int) -> str:
    """Name examples in an advice: "q1, q2 and 7 more"."""
    more = f" and {count - len(names)} more" if count > len(names) else ""
    return ", ".join(names) + more
