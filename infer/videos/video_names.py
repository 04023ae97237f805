"""The way from the path or name in a question to a path of a video."""

import re
import unicodedata
from collections.abc import Iterable

from index.discovery import SUFFIXES


def comparable(path: str) -> str:
    """Return a path in the one form in which paths are compared; files are opened by their own.

    macOS writes an accent as a character of its own (NFD), most others compose them (NFC). Bytes
    that are not UTF-8 are lone surrogates in Python, and U+FFFD in files of most other programs.
    """
    return unicodedata.normalize("NFC", re.sub("[\ud800-\udfff\ufffd]+", "\ufffd", path))


def by_tail(paths: Iterable[str]) -> dict[str, list[str]]:
    """Map every `comparable` tail (`x.mp4`, `videos/x.mp4`, …) to the paths that end in it."""
    tails: dict[str, list[str]] = {}
    for path in dict.fromkeys(paths):
        for tail in tails_of(comparable(path)):
            tails.setdefault(tail, []).append(path)
            if bare := _without_ending(tail):
                tails.setdefault(bare, []).append(path)
    return tails


def _without_ending(tail: str) -> str:
    """Return the key of a tail of a video's path without its ending; "" where it has none."""
    return f"{tail.rpartition('.')[0]}\0" if has_video_ending(tail) else ""


def has_video_ending(path: str) -> bool:
    """Return whether a path ends as a video's does (`index.discovery.SUFFIXES`)."""
    return f".{path.rpartition('.')[2]}".lower() in SUFFIXES


def find_video(video_path: str, tails: dict[str, list[str]]) -> list[str]:
    """Find the paths that share the longest common tail with video_path, in the order given.

    Components are compared whole and case-sensitively, `\\` and `/` alike, and as `comparable`
    makes them; of several paths those count that are written just so, if there are any. At least
    the file name must agree, which may lack a video's ending, else the list is empty. `tails` comes
    from `by_tail`. The caller decides what several paths mean: copies of one content are one video,
    different contents an error.
    """
    for tail in tails_of(video_path):
        if found := tails.get(comparable(tail)):
            return [path for path in found if tail in tails_of(path)] or found
    for tail in tails_of(video_path):
        if found := tails.get(f"{comparable(tail)}\0"):
            return found
    return []


def tails_of(path: str) -> list[str]:
    """List the tails of a path, the longest first, with `/` between components."""
    parts = [part for part in re.split(r"[\\/]", path) if part not in ("", ".")]
    return ["/".join(parts[start:]) for start in range(len(parts))]
