"""What a check finds: how bad it is, in words and in figures, and what to do."""

import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
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
    """What to do: commands, and what to change in the file. A line that begins with the name of a
    program is a command and nothing else. Of a problem or a note there is one at least, and it
    removes the finding."""
    ids: Sequence[str] = ()
    """All questions, or records, that it is about, for --json."""


class Tally:
    """How many there are of a kind, and the first of them by name."""

    def __init__(self) -> None:
        self.count = 0
        self.ids: list[str] = []
        self.examples: tuple[str, ...] = ()
        """The ids with what is said of each."""

    def add(self, name: str, said: str = "") -> None:
        """Count one more."""
        self.count += 1
        self.ids.append(name)
        if len(self.examples) < MOST_EXAMPLES:
            self.examples = (*self.examples, f"{name} ({said})" if said else name)

    def named(self) -> str:
        """Name them in an advice: "q1, q2 and 7 more"."""
        return these(tuple(self.ids[:MOST_EXAMPLES]), self.count)


_COMMAND = re.compile(r"python (?:index|infer|train)/\w+\.py (?:.*? --repair\b|.*)")
"""A command in a remedy: to the end, but for what --repair does."""


def of_error(kind: str, error: CueframeError, folder: Path | None = None) -> Finding:
    """Return an error as a problem, with its remedy as advice: the command on a line of its own.

    The folder, if it is in the command, is quoted for a shell.
    """
    what, _, remedy = str(error).partition("; ")
    found = _COMMAND.search(remedy)
    if not found:
        return Finding(kind, "problem", what, {}, advice=(remedy,) if remedy else ())
    before = remedy[: found.start()].rstrip().removesuffix(" with")
    command, after = found[0], remedy[found.end() :].strip()
    if folder:
        command = command.replace(str(folder), shlex.quote(str(folder)))
    lines = (f"{before}:" if before else "", command, f"--repair {after}" if after else "")
    return Finding(kind, "problem", what, {}, advice=tuple(filter(None, lines)))


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
