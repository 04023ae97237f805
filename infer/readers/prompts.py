"""Prompts of a vision-language reader: templates from prompts.toml or from a user's file."""

import string
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from index.errors import CueframeError

BUILT_IN = ("en", "vi")

_REQUIRED = {
    "frame": {"time"},
    "choice": {"letter", "text"},
    "choices": {"question", "choices"},
    "free": {"question"},
}
_SAMPLES: dict[str, dict[str, object]] = {
    "frame": {"number": 1, "time": 1.5},
    "choice": {"letter": "A", "text": ""},
    "choices": {"question": "", "choices": ""},
    "free": {"question": ""},
}


@dataclass(frozen=True)
class Prompt:
    """The four templates of prompts.toml, which describes them."""

    frame: str
    choice: str
    choices: str
    free: str


def load_prompt(name: str) -> Prompt:
    """Read the built-in templates "en" or "vi", or those of a TOML file.

    Raises:
        CueframeError: The file cannot be read or is no TOML, a template is missing, unknown or no
            text, or a placeholder in it is missing, unknown or malformed.
    """
    built_in = name in BUILT_IN
    path = Path(__file__).with_name("prompts.toml") if built_in else Path(name)
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CueframeError(
            f"--prompt {name} cannot be read ({error.strerror}); give en, vi or a TOML file like "
            "infer/readers/prompts.toml"
        ) from error
    except ValueError as error:  # not UTF-8, or tomllib.TOMLDecodeError
        raise CueframeError(
            f"--prompt {name} is no TOML file: {error}; write one like infer/readers/prompts.toml"
        ) from error
    return _checked(table[name] if built_in else table, name)


def frame_labels(prompt: Prompt, times_s: Sequence[float]) -> list[str]:
    """Return the text to put before each frame; times in seconds."""
    return [
        prompt.frame.format(number=number, time=time_s) for number, time_s in enumerate(times_s, 1)
    ]


def ask(prompt: Prompt, question: str, choices: Sequence[tuple[str, str]]) -> str:
    """Return the text to put after the frames; choices are `lettered`, none for a free text."""
    if not choices:
        return prompt.free.format(question=question)
    lines = "\n".join(prompt.choice.format(letter=letter, text=text) for letter, text in choices)
    return prompt.choices.format(question=question, choices=lines)


def _checked(table: dict[str, object], name: str) -> Prompt:
    keys = [field.name for field in fields(Prompt)]
    for key in table.keys() - keys:
        raise CueframeError(f"--prompt {name}: {key} is unknown; want {', '.join(keys)}")
    templates = {}
    for key in keys:
        template = table.get(key)
        if not isinstance(template, str):
            what = "is missing" if template is None else f"is {template!r}"
            raise CueframeError(f"--prompt {name}: {key} {what}; want a text")
        _check_placeholders(template, f"--prompt {name}: {key}", key)
        templates[key] = template.strip()
    return Prompt(**templates)


def _check_placeholders(template: str, where: str, key: str) -> None:
    known = _SAMPLES[key]
    want = f"want {', '.join(f'{{{placeholder}}}' for placeholder in known)}"
    try:
        # Parsed by name first: a field like {question.x} is unknown, and never looked up.
        found = {
            field for _, field, _, _ in string.Formatter().parse(template) if field is not None
        }
        for placeholder in sorted(found - known.keys()):
            raise CueframeError(f"{where}: {{{placeholder}}} is unknown; {want}")
        for placeholder in sorted(_REQUIRED[key] - found):
            raise CueframeError(f"{where}: {{{placeholder}}} is missing; {want}")
        template.format(**known)
    except (ValueError, KeyError, IndexError, AttributeError) as error:
        raise CueframeError(f"{where} is malformed: {error}; {want}, and {{{{ for a {{") from error
