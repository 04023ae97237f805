"""Errors of saving in one line, whichever library writes."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from index.errors import CueframeError


@contextmanager
def explain_saving(output: Path, remedy: str) -> Iterator[None]:
    """Turn an error of writing within the block into one line that names the folder.

    Raises:
        CueframeError: It cannot be written, with what to do about it.
    """
    try:
        yield
    except Exception as error:  # each library that writes has errors of its own
        cause = error.__cause__ if isinstance(error, CueframeError) else error
        if cause is None:
            raise
        raise CueframeError(
            f"{output} cannot be written ({first_line(cause)}); {remedy}"
        ) from error


def give_usual_rights(folder: Path) -> None:
    """Let files be read by whom other new files are: safetensors writes for the owner alone."""
    probe = folder / ".rights"
    probe.touch()
    mode = probe.stat().st_mode
    probe.unlink()
    for path in folder.rglob("*"):
        if path.is_file():
            path.chmod(mode)


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message, without one its type."""
    return str(error).strip().split("\n")[0] or type(error).__name__
