"""Messages in lines: long lists are named in part, and names cannot break a line.

Python reads a byte of a file name that is not UTF-8 as a lone surrogate, U+DC80 to U+DCFF.
"""

import json
import re
import sys
from collections.abc import Sequence

from index.errors import CueframeError

MOST = 8
"""Maximum number of names in a line, and of lines of one kind."""
_LONGEST = 1000
"""Maximum characters of the message of an error that is none of ours."""

_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def escaped(text: str) -> str:
    """Escape what would break or turn a line, steer a terminal, or is not UTF-8.

    These are control characters, also those of writing directions, and lone surrogates.
    """
    return _UNPRINTABLE.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def reason_of(error: BaseException) -> str:
    """Return an error as one line: its message and its notes, after its kind if it is none of ours.

    Ours say what, the value and the remedy; of others, the kind may be all that tells.
    """
    said = "; ".join([str(error), *getattr(error, "__notes__", ())])
    if isinstance(error, CueframeError):
        return escaped(said)
    text = escaped(" ".join(said.split()))
    short = text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
    return f"{type(error).__name__}: {short}" if short else type(error).__name__


def json_line(value: object) -> str:
    """Return a value as JSON on one line, with the same characters escaped as JSON has it."""
    text = json.dumps(value, ensure_ascii=False)
    return _UNPRINTABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def say(line: str) -> None:
    """Print a line to stderr, escaped, and flush it."""
    print(escaped(line), file=sys.stderr, flush=True)


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
        say(f"{prefix}: {line}")
    if len(lines) > most:
        say(f"{prefix}: {len(lines) - most} more{see}")
