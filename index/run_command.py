"""Common code of all commands: flags from a dataclass, one-line errors, exit codes.

0    success
1    something failed and is named, and the rest is done
2    a wrong call or unusable input
3    an error that nobody foresaw; --debug shows its traceback
130  interrupted (SIGINT)
143  terminated (SIGTERM)
"""

import contextlib
import errno
import io
import math
import os
import re
import signal
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, make_dataclass
from itertools import pairwise, takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NoReturn, TextIO, TypeVar

import tyro

from index.errors import CueframeError
from index.messages import escaped, reason_of

if TYPE_CHECKING:
    from _typeshed import DataclassInstance, ReadableBuffer

Config = TypeVar("Config", bound="DataclassInstance")

_COLOUR = re.compile("\x1b\\[[0-9;]*m")
_STDOUT = "standard output"
_OF_THE_DISK = (
    *(errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EFBIG),
    *(errno.EMFILE, errno.ENFILE, errno.EIO, errno.ESTALE, errno.ENAMETOOLONG, errno.ELOOP),
    *(errno.ENOTCONN, errno.ETIMEDOUT, errno.EHOSTDOWN, errno.EREMOTEIO, errno.ENOLCK),
)
"""Errors of a file that say what is wrong, wherever they come from."""
_REMEDIES = {
    errno.ENAMETOOLONG: "give a shorter path",
    errno.ELOOP: "mend the link",
}
"""What helps against some of them; against the others, room or rights."""
NoLock = Annotated[
    bool,
    tyro.conf.arg(
        help="Write even where the disk has no locks, as some network folders. Nothing then keeps "
        "two runs from writing at once, and from undoing each other's work: see to it yourself."
    ),
]
"""See `index.storage.lock.locked`."""
_DEBUG = Annotated[bool, tyro.conf.arg(help="Print the traceback of an error, too.")]


class _Stdout(io.FileIO):
    """Standard output, whose errors name it: those of writing to an open file name none."""

    def write(self, data: "ReadableBuffer", /) -> int:
        """Write as FileIO does."""
        try:
            return super().write(data)
        except OSError as error:
            error.filename = _STDOUT
            raise


class Terminated(KeyboardInterrupt):
    """SIGTERM came; all that cleans up after Ctrl-C cleans up after it, too."""


_MAY_BE_EMPTY = ("--guess",)
"""Flags to which an empty text is a value."""


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


def _refuse_empty(words: Sequence[str]) -> None:
    """Refuse `--model ''`: an empty name would be the default, an empty path the current folder."""
    for flag, word in pairwise(("", *words)):
        name, _, value = word.partition("=") if word.startswith("--") else (flag, "", word)
        if not (value or (word.startswith("--") and "=" not in word) or name in _MAY_BE_EMPTY):
            what = name if name.startswith("--") else "an argument"
            raise CueframeError(f"{what} is empty; give a value, or leave it out")


def run(command: Callable[[Config], int], config: type[Config], usage: str | None) -> NoReturn:
    """Read the flags, run the command and leave the process with its exit code.

    Args:
        command: Takes the configuration and returns an exit code; its module must do heavy
            imports inside it, so that --help is quick.
        config: Dataclass with a docstring per field, which becomes the help of its flag. Every
            command has --debug besides.
        usage: Text at the top of the help.
    """
    debug = False
    before = signal.signal(signal.SIGTERM, _terminate)
    try:
        _open_closed_streams()
        _refuse_empty(sys.argv[1:])
        flags, debug = _read_flags(config, usage)
        code = command(flags)
        sys.stdout.flush()
    except KeyboardInterrupt as stop:
        code, how = (143, "terminated") if isinstance(stop, Terminated) else (130, "interrupted")
        _say(f"{how}; what was finished is kept", debug)
    except Exception as error:  # noqa: BLE001 - the edge: whatever comes becomes one line
        code = _told(error, debug)
    finally:
        signal.signal(signal.SIGTERM, before)
    sys.exit(code)


def _terminate(_number: int, _frame: object) -> None:
    """Unwind as Ctrl-C does. A launcher may send the signal twice, and must not cut that short."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise Terminated


def _open_closed_streams() -> None:
    """Give each closed standard stream a place: else the next opened file takes its number.

    Raises:
        CueframeError: Standard output is closed, so that the result would be lost.
    """
    lost = sys.stdout is None
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            stream = Path(os.devnull).open(mode)  # noqa: SIM115 - open while the process lives
            os.set_inheritable(stream.fileno(), True)
            setattr(sys, name, stream)
    stdout = sys.stdout
    if isinstance(stdout, io.TextIOWrapper):
        # A path that is not UTF-8 would end the command; an escape is right in JSON, too.
        stdout.reconfigure(errors="backslashreplace")
        if stdout is sys.__stdout__:
            raw = io.BufferedWriter(_Stdout(stdout.fileno(), "w", closefd=False))
            how: Any = {"errors": stdout.errors, "line_buffering": stdout.line_buffering}
            sys.stdout = io.TextIOWrapper(raw, stdout.encoding, **how)
    if lost:
        raise CueframeError("standard output is closed; send it to a file, or to /dev/null")


def _read_flags(config: type[Config], usage: str | None) -> tuple[Config, bool]:
    """Return the configuration, and whether --debug was given.

    Raises:
        CueframeError: A wrong call; tyro tells it in a box of many lines.
    """
    debug = ("debug", _DEBUG, False)
    with_debug: Any = make_dataclass(config.__name__, [debug], bases=(config,), kw_only=True)
    box = io.StringIO()
    try:
        with contextlib.redirect_stderr(box):
            given = tyro.cli(with_debug, description=usage, config=(tyro.conf.FlagCreatePairsOff,))
    except SystemExit as end:
        if end.code:
            raise CueframeError(f"{_first_part(box.getvalue())}; see --help") from end
        sys.stdout.flush()  # --help is printed
        raise
    return config(
        **{field.name: getattr(given, field.name) for field in fields(config)}
    ), given.debug


def _first_part(box: str) -> str:
    """Return what a box of tyro's says before its first rule or empty line, as one line."""
    lines = _COLOUR.sub("", box).splitlines()
    rows = (line.strip("│ ") for line in lines if line.startswith("│"))
    first = takewhile(lambda row: row.strip("─"), rows)
    return " ".join(first).removeprefix("Error parsing ").rstrip(".")


def _told(error: Exception, debug: bool) -> int:
    """Say in one line what ended the command; return its exit code."""
    if isinstance(error, OSError) and error.filename == _STDOUT:
        _give_up(sys.stdout)
        if isinstance(error, BrokenPipeError):
            return 0  # the reader of the output closed the pipe, as `| head` does; that is no error
        error = CueframeError(
            f"{_STDOUT} cannot be written ({error.strerror}); make room or rights, and run again"
        )
    if isinstance(error, OSError) and error.errno in _OF_THE_DISK and error.filename:
        remedy = _REMEDIES.get(error.errno, "make room or rights")
        error = CueframeError(
            f"{error.filename} cannot be read or written ({error.strerror}); {remedy}, and run "
            "again"
        )
    if isinstance(error, CueframeError):
        _say(f"error: {reason_of(error)}", debug)
        return 2
    name = Path(sys.argv[0]).name
    _say(f"error: {name}: {reason_of(error)}; --debug shows the traceback", debug)
    return 3


def _say(line: str, debug: bool) -> None:
    """Print a line to stderr, after the traceback of the error at hand if that is wanted."""
    try:
        if debug:
            traceback.print_exc()
        print(escaped(line), file=sys.stderr, flush=True)
    except OSError:  # nobody hears it; the exit code is all that is left
        _give_up(sys.stderr)


def _give_up(stream: TextIO) -> None:
    """Send what a stream holds nowhere: Python would try again at its end, and change the code."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
