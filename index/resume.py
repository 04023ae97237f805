"""Check that a call continues the same run: one rule for answering, mining and training.

The settings that determine a run's result are written down when it begins, and a later call must
agree with all of them. Every setting counts unless it is listed as free, so that a new flag cannot
be forgotten.
"""

import json
from collections.abc import Collection, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from index.errors import CueframeError
from index.messages import name_some
from index.storage.atomic_write import written_whole

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

_LONGEST = 120
"""Maximum length of a value in an error message, in characters."""


def deciding(flags: "DataclassInstance", free: Collection[str]) -> dict[str, Any]:
    """Return the values of all flags but the free ones, by name such as `--pick`."""
    return {
        f"--{name.replace('_', '-')}": value
        for name, value in asdict(flags).items()
        if name not in free
    }


def claim(path: Path, settings: Mapping[str, Any], remedy: str) -> None:
    """Write down the settings of a new run, or check that those of an earlier one are the same.

    Args:
        path: The file of settings; if it is missing, the run is new.
        settings: Values by name of the flag; JSON values, others are converted with `str`.
        remedy: What to do if they differ, for the error message.

    Raises:
        CueframeError: A setting differs, or the file cannot be read or written.
    """
    now: dict[str, Any] = json.loads(json.dumps(settings, default=str))
    if not path.is_file():
        with written_whole(path) as temporary:
            text = json.dumps(now, indent=2, ensure_ascii=False) + "\n"
            # A path that is not UTF-8 becomes a JSON escape.
            temporary.write_text(text, errors="backslashreplace")
        return
    try:
        before = dict(json.loads(path.read_bytes()))
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise CueframeError(f"{path} cannot be read ({error}); {remedy}") from error
    other = [name for name in now | before if now.get(name) != before.get(name)]
    if other:
        differences = [f"{n} {_short(before.get(n))}, not {_short(now.get(n))}" for n in other]
        raise CueframeError(f"the run in {path.parent} has {name_some(differences)}; {remedy}")


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
