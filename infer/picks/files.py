"""Read a file of picks, in any of the formats of `infer.picks.registry`."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from pkgutil import resolve_name

from index.errors import CueframeError
from infer.picks.collector import Collector, Picks
from infer.picks.registry import PICKS_FORMATS
from infer.questions import Question


def load_picks(
    source: str, picks_format: str, questions: Sequence[Question | None], fps: float | None = None
) -> Picks:
    """Read the picks of a file, or of standard input where source is "-".

    Args:
        source: The file.
        picks_format: A name from `infer.picks.registry.PICKS_FORMATS`.
        questions: The questions that were asked, in the order of their file; None holds the place
            of a record that cannot be used.
        fps: Rate of the frame numbers, where the format has these.

    Raises:
        CueframeError: The file cannot be read or is not of this format, in one line.
    """
    name = "standard input" if source == "-" else source
    collector = Collector(name, questions, fps)
    resolve_name(PICKS_FORMATS[picks_format].reader)(read_json(source, name), collector)
    return collector.picks()


def read_json(source: str, name: str) -> object:
    """Read a UTF-8 file of JSON or of JSON lines; of the latter, a line that is none stays a text.

    The list of `{"data": [record, …]}` is returned as that of a bare list.

    Raises:
        CueframeError: The file cannot be read, or is neither.
    """
    try:
        data = sys.stdin.buffer.read() if source == "-" else Path(source).read_bytes()
        text = data.decode("utf-8-sig")
    except OSError as error:
        raise CueframeError(
            f"{name}: cannot be read ({error.strerror}); give a JSON file of picks, or -"
        ) from error
    except UnicodeDecodeError as error:
        raise CueframeError(
            f"{name}: byte {error.start} is not UTF-8; save the file as UTF-8"
        ) from error
    try:
        whole = json.loads(text)
    except (ValueError, RecursionError) as error:
        # split, not splitlines: a JSON string may hold U+2028
        lines = [_object(line) for line in text.split("\n") if line.strip()]
        if len(lines) > 1 and isinstance(lines[0], dict):
            return lines
        raise CueframeError(f"{name}: {error}; want JSON, or JSON lines") from error
    if isinstance(whole, dict) and isinstance(whole.get("data"), list) and len(whole) == 1:
        return whole["data"]
    return whole


def _object(line: str) -> object:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return line
