"""Check that a call continues the same run: one rule for answering, mining and training.

The settings that determine a run's result are written down when it begins, and a later call must
agree with all of them. Every setting counts unless it is listed as free, so that a new flag cannot
be forgotten.
"""

import json
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from index.errors import CueframeError
from index.messages import name_some
from index.storage.atomic_write import written_whole

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

_CONTENTS = "contents"
_LONGEST = 120
"""Maximum length of a value in an error message, in characters."""


def deciding(flags: "DataclassInstance", free: Collection[str]) -> dict[str, Any]:
    """Return the values of all flags but the free ones, by name such as `--pick`."""
    return {
        f"--{name.replace('_', '-')}": value
        for name, value in asdict(flags).items()
        if name not in free
    }


def recorded(path: Path) -> dict[str, Any]:
    """Return what `claim` wrote down, settings by name of the flag; {} if there is no such file.

    Raises:
        CueframeError: The file cannot be read.
    """
    if not path.is_file():
        return {}
    try:
        found = dict(json.loads(path.read_bytes()))
        found[_CONTENTS] = dict(found.get(_CONTENTS, {}))
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise CueframeError(
            f"{path} cannot be read ({error}), so what made the run cannot be told; put it "
            "back, or write to another place"
        ) from error
    return found


def claim(
    path: Path,
    settings: Mapping[str, Any],
    remedy: str,
    contents: Callable[[], Mapping[str, str]] = dict,
    changeable: Collection[str] = (),
) -> None:
    """Write down the settings of a new run, or check that those of an earlier one are the same.

    Args:
        path: The file of settings; if it is missing, the run is new.
        settings: Values by name of the flag; JSON values, others are converted with `str`.
        remedy: What to do if they differ, for the error message.
        contents: Returns hashes of contents by what they are of: "files of --model". Called where
            the settings agree, since it may take seconds. A later call may know more or fewer of
            them, as a video is indexed or leaves the index meanwhile, but none otherwise.
        changeable: Names of settings that a later call may change; the new values are written down.

    Raises:
        CueframeError: A setting or content differs, or the file cannot be read or written.
    """
    now: dict[str, Any] = json.loads(json.dumps(settings, default=str))
    before = recorded(path)
    known: dict[str, str] = before.pop(_CONTENTS, {})
    if path.is_file():
        other = [
            _difference(name, before.get(name), now.get(name))
            for name in now | before
            if now.get(name) != before.get(name) and name not in changeable
        ]
        _refuse(path, other, remedy)
    hashes = dict(contents())
    _refuse(
        path, [f"other {n}" for n, value in known.items() if hashes.get(n, value) != value], remedy
    )
    same = all(now.get(name) == before.get(name) for name in changeable)
    if path.is_file() and same and not hashes.keys() - known.keys():
        return
    if known or hashes:
        now[_CONTENTS] = known | hashes
    with written_whole(path) as temporary:
        text = json.dumps(now, indent=2, ensure_ascii=False) + "\n"
        # A path that is not UTF-8 becomes a JSON escape.
        temporary.write_text(text, errors="backslashreplace")


def _refuse(path: Path, other: list[str], remedy: str) -> None:
    if other:
        raise CueframeError(f"the run in {path.parent} has {name_some(other)}; {remedy}")


def _difference(name: str, before: object, now: object) -> str:
    if _is_hash(before) and _is_hash(now):
        return "other " + re.sub("^(the|a) ", "", name)
    return f"{name} {_short(before)}, not {_short(now)}"


def _is_hash(value: object) -> bool:
    return isinstance(value, str) and re.fullmatch("[0-9a-f]{32}", value) is not None


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
