"""A run's answers as they are made, so that an interrupted run goes on where it was.

    OUTPUT.partial/run.json      what decides the answers; another run may not go on here
    OUTPUT.partial/0.jsonl       the answers of process 0, a line each, in any order

A line is an answer once its end is written. Failures are not kept: a run that goes on tries them
again. When all is done OUTPUT is written whole, in the questions' order, and the folder goes; so it
does when a run ends before its first answer, as with a model that cannot be loaded.
"""

import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from index.errors import CueframeError
from index.store import written_whole


def journal_of(output: Path) -> Path:
    """The folder of an output's journal."""
    return output.with_name(f"{output.name}.partial")


def open_journal(output: Path, run: Mapping[str, Any]) -> None:
    """Begin a journal, or take up that of an interrupted run; one process does it for all.

    One without an answer is begun anew, whatever its settings.

    Args:
        output: The file that the answers shall be in.
        run: What decides the answers, for JSON.

    Raises:
        CueframeError: There is one of a run with other settings, or it cannot be written.
    """
    folder = journal_of(output)
    path = folder / "run.json"
    if not path.is_file() or not kept(output):
        for stray in folder.glob("*.jsonl"):
            stray.unlink()
        with written_whole(path) as temporary:
            temporary.write_text(json.dumps(run))
        return
    try:
        before: object = json.loads(path.read_bytes())
    except (OSError, ValueError):
        before = None
    now: dict[str, object] = json.loads(json.dumps(run))
    if before != now:
        known = before if isinstance(before, dict) else {}
        other = [name for name in now if known.get(name) != now[name]] or ["settings"]
        raise CueframeError(
            f"{folder} holds an interrupted run with another {' and '.join(other)}; call it as "
            "before to go on, or remove that folder, or name another --output"
        )


def kept(output: Path) -> dict[str, bytes]:
    """The finished lines of all processes by question id, each with its line end."""
    lines: dict[str, bytes] = {}
    for path in sorted(journal_of(output).glob("*.jsonl")):
        for line in path.read_bytes().splitlines(keepends=True):
            if line.endswith(b"\n"):
                name = _id_of(line)
                if name is not None:
                    lines[name] = line
    return lines


def _id_of(line: bytes) -> str | None:
    """The question of a line; None where it is no answer, as on a disk that lost its power."""
    try:
        record: object = json.loads(line)
    except ValueError:
        return None
    name = record.get("id") if isinstance(record, dict) else None
    return name if isinstance(name, str) else None


@contextmanager
def writing(output: Path, process: int) -> Iterator[Callable[[bytes], None]]:
    """A function that adds a line to a process's journal, safe from then on.

    Raises:
        CueframeError: It cannot be written.
    """
    path = journal_of(output) / f"{process}.jsonl"
    with _named(path):
        # Without a buffer, so that closing it writes nothing more.
        file = path.open("a+b", buffering=0)
    with closing(file):
        with _named(path):
            # What a killed run left of its last line goes.
            file.seek(0)
            file.truncate(file.read().rfind(b"\n") + 1)

        def add(line: bytes) -> None:
            left = memoryview(line)
            with _named(path):
                while left:
                    left = left[file.write(left) :]

        yield add


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """An error of the file becomes one line; errors of others are none of the journal's."""
    try:
        yield
    except OSError as error:
        raise CueframeError(
            f"{path} cannot be written ({error.strerror}); make room or rights, and run again"
        ) from error


def as_line(record: Mapping[str, Any]) -> bytes:
    """A record as a JSON line."""
    return json.dumps(record, ensure_ascii=False).encode() + b"\n"


def close_journal(output: Path, lines: Iterable[bytes]) -> None:
    """Write the answers, whole or not at all, and clear the journal away."""
    with written_whole(output) as temporary, temporary.open("wb") as file:
        file.writelines(lines)
    clear_journal(output)


def clear_journal(output: Path) -> None:
    """Take the journal away, whatever is in it."""
    shutil.rmtree(journal_of(output), ignore_errors=True)
