"""Long lists in messages: some are named, the rest is counted."""

import sys
from collections.abc import Sequence

MOST = 8
"""Maximum number of names in a line, and of lines of one kind."""


def name_some(names: Sequence[str]) -> str:
    """Join the first names, with the number of the others: "a, b and 3 more"."""
    more = f" and {len(names) - MOST} more" if len(names) > MOST else ""
    return ", ".join(names[:MOST]) + more


def print_some(prefix: str, lines: Sequence[str], see: str = "") -> None:
    """Print the first lines to stderr, each after its prefix, and how many more there are.

    Args:
        prefix: Kind of the lines, such as "failed".
        lines: All lines.
        see: Where the others are, such as ", see --output"; printed after their number.
    """
    for line in lines[:MOST]:
        print(f"{prefix}: {line}", file=sys.stderr)
    if len(lines) > MOST:
        print(f"{prefix}: {len(lines) - MOST} more{see}", file=sys.stderr)
