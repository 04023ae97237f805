"""Common code of all commands: flags from a dataclass, one-line errors, exit codes.

Exit codes: 0 success, 1 something failed and the rest is done, 2 a wrong call, 130 interrupted.
"""

import io
import math
import os
import sys
from collections.abc import Callable, Mapping
from typing import Annotated, Literal, NoReturn, TypeVar

import tyro

from index.errors import CueframeError
from index.messages import escaped

Config = TypeVar("Config")


def own_default(text: str, metavar: str) -> object:
    """Return the help of an optional flag: its default in words, and its metavar."""
    return tyro.conf.arg(help_behavior_hint=f"(default: {text})", metavar=metavar)


def one_of(choices: Mapping[str, str], intro: str = "", unset: str | None = None) -> object:
    """The type of a flag that takes a name from a registry, and its help.

    Args:
        choices: Names with what --help says of each.
        intro: Text before them in the help.
        unset: The default in words, of a flag that may be left out and is None then.
    """
    help_text = intro + "; ".join(f"{name}: {text}" for name, text in choices.items()) + "."
    if unset is None:
        return Annotated[Literal[tuple(choices)], tyro.conf.arg(help=help_text)]
    hint, names = f"(default: {unset})", "{" + ",".join(choices) + "}"
    about = tyro.conf.arg(help=help_text, help_behavior_hint=hint, metavar=names)
    return Annotated[Literal[tuple(choices)] | None, about]


def positive(flag: str, value: float | None) -> None:
    """Refuse a number that is zero, negative or not finite; None, a flag left out, is fine."""
    if value is not None and not 0 < value < math.inf:
        raise CueframeError(f"{flag} is {value}; give a number above 0")


def run(command: Callable[[Config], int], config: type[Config], usage: str | None) -> NoReturn:
    """Read the flags, run the command and leave the process with its exit code.

    Args:
        command: Takes the configuration and returns an exit code; its module must do heavy
            imports inside it, so that --help is quick.
        config: Dataclass with a docstring per field, which becomes the help of its flag.
        usage: Text at the top of the help.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A path that is not UTF-8 would end the command; an escape is right in JSON, too.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        flags = tyro.cli(config, description=usage, config=(tyro.conf.FlagCreatePairsOff,))
        code = command(flags)
        sys.stdout.flush()
    except CueframeError as error:
        print(f"error: {escaped(str(error))}", file=sys.stderr)
        code = 2
    except KeyboardInterrupt:
        print("interrupted; what was finished is kept", file=sys.stderr)
        code = 130
    except BrokenPipeError:
        # The reader of the output closed the pipe, as `| head` does; that is not an error.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    sys.exit(code)
