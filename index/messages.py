"""Messages in lines: long lists are named in part, and names cannot break a line.

Python reads a byte of a file name that is not UTF-8 as a lone surrogate, U+DC80 to U+DCFF.
"""

import re
import sys
from collections.abc import Sequence

MOST = 8
"""Maximum number of names in a line, and of lines of one kind."""

_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def escaped(text: str) -> str:
    """Escape what would break a line or is not UTF-8: control characters and lone surrogates."""
    return _UNPRINTABLE.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def name_some(names: Sequence[str]) -> str:
    """Join the first names, with the number of the others: "a, b and 3 more"."""
    more = f" and {len(names) - MOST} more" if len(names) > MOST else ""
    return escaped(", ".join(names[:MOST])) + more


def print_some(prefix: str, lines: Sequence[str], see: str = "", most: int = MOST) -> None:
    """Print the first lines to stderr, each after its prefix, and how many more there are.

    Args:
        prefix: Kind of the lines, such as "failed".
        lines: All lines.
        see: Where the others are, such as ", see --output"; printed after their number.
        most: How many lines are printed.
    """
    for line in lines[:most]:
        print(f"{prefix}: {escaped(line)}", file=sys.stderr)
    if len(lines) > most:
        print(f"{prefix}: {len(lines) - most} more{see}", file=sys.stderr)
