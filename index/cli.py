"""What all commands share: flags from a dataclass, one-line errors, exit codes.

Exit codes: 0 all well, 1 something failed and the rest is done, 2 a wrong call, 130 interrupted.
"""

import math
import os
import sys
from collections.abc import Callable
from typing import NoReturn, TypeVar

import tyro

from index.errors import CueframeError

Config = TypeVar("Config")


def own_default(text: str, metavar: str) -> object:
    """Help for a flag that may be left out: its default in words, and what a value looks like."""
    return tyro.conf.arg(help_behavior_hint=f"(default: {text})", metavar=metavar)


def positive(flag: str, value: float | None) -> None:
    """Refuse a number that is zero, negative or not finite; None, a flag left out, is fine."""
    if value is not None and not 0 < value < math.inf:
        raise CueframeError(f"{flag} is {value}; give a number above 0")


def run(command: Callable[[Config], int], config: type[Config], usage: str | None) -> NoReturn:
    """Read the flags, run the command and leave the process with its exit code.

    Args:
        command: Takes the configuration and returns an exit code; its module must import what is
            heavy inside of it, so that --help is quick.
        config: Dataclass with a docstring per field, which becomes the help of its flag.
        usage: What stands on top of the help.
    """
    flags = tyro.cli(config, description=usage, config=(tyro.conf.FlagCreatePairsOff,))
    try:
        code = command(flags)
        sys.stdout.flush()
    except CueframeError as error:
        print(f"error: {error}", file=sys.stderr)
        code = 2
    except KeyboardInterrupt:
        print("interrupted; what was finished is kept", file=sys.stderr)
        code = 130
    except BrokenPipeError:
        # The reader of our output went away, as `| head` does; that is no error of ours.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    sys.exit(code)
