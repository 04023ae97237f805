"""Log of a run's answers as they are made, so that an interrupted run can be resumed.

    OUTPUT.partial/run.json      settings that decide the answers; a run with others is refused
    OUTPUT.partial/0.jsonl       answers of process 0, a line each, in any order

A line counts once its line end is written. Failures are not logged: a resumed run tries them again.
When all is done, OUTPUT is written whole, in the questions' order, and the folder is removed. It is
also removed if a run ends before its first answer, as with a model that cannot be loaded.
"""

import contextlib
import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from index.errors import CueframeError
from index.messages import json_line
from index.storage.atomic_write import explain_unwritable, written_whole


def log_folder(output: Path) -> Path:
    """Return the folder of an output's log."""
    return output.with_name(f"{output.name}.partial")


def open_log(output: Path, claim_log: Callable[[Path, str], None]) -> None:
    """Start a log, or reopen that of an interrupted run; one process does it for all.

    A log without an answer is started anew, whatever its settings.

    Args:
        output: File for the answers.
        claim_log: Called with the file of settings and a remedy: `index.resume.claim` with what
            decides the answers.

    Raises:
        CueframeError: The log is of a run with other settings, or of one that cannot be told, or
            cannot be written.
    """
    path = log_folder(output) / "run.json"
    if not logged_lines(output):
        for stray in (*log_folder(output).glob("*.jsonl"), path):
            if stray.is_dir():
                shutil.rmtree(stray)
            else:
                stray.unlink(missing_ok=True)
    elif not path.is_file():
        raise CueframeError(
            f"{path.parent} has answers of an interrupted run, but no {path.name} that tells what "
            "made them; put it back, remove that folder, or name another --output"
        )
    claim_log(
        path,
        "call it as before to go on, or remove that folder, or name another --output",
    )


def logged_lines(output: Path) -> dict[str, bytes]:
    """Return the complete lines of all processes by question id, each with its line end."""
    lines: dict[str, bytes] = {}
    for path in filter(Path.is_file, sorted(log_folder(output).glob("*.jsonl"))):
        for line in path.read_bytes().splitlines(keepends=True):
            if line.endswith(b"\n"):
                name = _id_of(line)
                if name is not None:
                    lines[name] = line
    return lines


def _id_of(line: bytes) -> str | None:
    """Return a line's question id; None if it is no answer, as after a power failure."""
    try:
        record = json.loads(line)
        times_s = [float(frame["time_s"]) for frame in record["frames"]]
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    name = record.get("id")
    return name if isinstance(name, str) and times_s else None


@contextmanager
def log_writer(output: Path, process: int) -> Iterator[Callable[[bytes], None]]:
    """Yield a function that appends a line to a process's log; the line is safe on return.

    Raises:
        CueframeError: The log cannot be written.
    """
    path = log_folder(output) / f"{process}.jsonl"
    with explain_unwritable(path):
        # Unbuffered, so that closing it writes nothing more.
        file = path.open("a+b", buffering=0)
    with closing(file):
        with explain_unwritable(path):
            # Cut off the incomplete last line of a killed run.
            file.seek(0)
            file.truncate(file.read().rfind(b"\n") + 1)

        def add(line: bytes) -> None:
            left = memoryview(line)
            with explain_unwritable(path):
                while left:
                    left = left[file.write(left) :]

        yield add


def as_json_line(record: Mapping[str, Any]) -> bytes:
    """Return a record as a JSON line; a path that is not UTF-8 has JSON escapes in it."""
    return json_line(record).encode() + b"\n"


def write_and_remove_log(output: Path, lines: Iterable[bytes]) -> None:
    """Write the answers, whole or not at all, and remove the log."""
    with written_whole(output) as temporary, temporary.open("wb") as file:
        file.writelines(lines)
    remove_log(output)


def remove_log(output: Path) -> None:
    """Remove the log, whatever is in it; what tells of its answers goes after them."""
    for path in log_folder(output).glob("*.jsonl"):
        with contextlib.suppress(OSError):
            path.unlink()
    shutil.rmtree(log_folder(output), ignore_errors=True)
