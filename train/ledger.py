"""What was mined, as it stands on disk, so that an interrupted run goes on where it was.

    OUTPUT/mining.json              how: all that decides the result; every run must agree with it
    OUTPUT/mined.jsonl              what: one line for each question
    OUTPUT/.mined-rank-2.jsonl      lines of another process, until rank 0 takes them over
    OUTPUT/frames_true/<id>/        the pictures
    OUTPUT/frames_neg/<id>/

A question is mined once its line is there whole; its pictures are in place by then.
"""

import json
import shutil
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any

from index.errors import CueframeError
from index.store import written_whole

TRUE_FOLDER, NEGATIVE_FOLDER = "frames_true", "frames_neg"

Record = dict[str, Any]
"""A line: id, video_path, content_hash, key, duration_s, true [{file, time_s, support_time_s,
clamped}], negatives [{file, time_s, similarity, segment, source}]. Files count from OUTPUT."""

_LINES = "mined.jsonl"
_SETTINGS = "mining.json"


def clear_leftovers(output: Path, keep: Path) -> None:
    """Delete what runs that were killed left; call it under the lock.

    Args:
        output: The folder.
        keep: This run's own folder for messages (`index.team.meeting_place`).
    """
    for folder in output.glob(".team-*"):
        if folder != keep:
            shutil.rmtree(folder, ignore_errors=True)
    for file in output.glob(".*.tmp"):  # of `index.store.written_whole`
        file.unlink()


def agree(output: Path, settings: dict[str, Any]) -> None:
    """Write down the settings of a new output folder, or compare them with those that made it.

    Args:
        output: The folder.
        settings: By the name of the flag, JSON values.

    Raises:
        CueframeError: The folder was mined otherwise, or by something else.
    """
    path = output / _SETTINGS
    remedy = "name another --output_folder, or delete that one"
    if not path.is_file():
        for name in (TRUE_FOLDER, NEGATIVE_FOLDER, _LINES):
            if (output / name).exists():
                raise CueframeError(
                    f"{output / name} is there but no {_SETTINGS} that says how it was mined; "
                    f"{remedy}"
                )
        with written_whole(path) as temporary:
            temporary.write_text(json.dumps(settings, indent=2) + "\n")
        return
    try:
        earlier = dict(json.loads(path.read_bytes()))
    except (OSError, ValueError, TypeError) as error:
        raise CueframeError(f"{path} cannot be read ({error}); {remedy}") from error
    for name in settings | earlier:
        if settings.get(name) != earlier.get(name):
            raise CueframeError(
                f"{output} was mined with {name} {earlier.get(name)}, not {settings.get(name)}; "
                f"{remedy}"
            )


def read_records(output: Path) -> dict[str, Record]:
    """The lines of all processes by question id; a torn last line counts as not written.

    Raises:
        CueframeError: A line is none of ours.
    """
    records: dict[str, Record] = {}
    for path in (output / _LINES, *_parts(output)):
        if not path.is_file():
            continue
        for number, line in enumerate(path.read_bytes().split(b"\n")[:-1], 1):
            try:
                record = json.loads(line)
                records[record["id"]] = record
            except (ValueError, TypeError, KeyError) as error:
                raise CueframeError(
                    f"{path}: line {number} is no question that was mined; delete the line, and "
                    "run train/mine.py again"
                ) from error
    return records


def append(output: Path, rank: int, records: Iterable[Record]) -> None:
    """Add lines; rank 0 writes to mined.jsonl, any other to a file of its own."""
    path = output / (_LINES if rank == 0 else f".mined-rank-{rank}.jsonl")
    try:
        with path.open("ab") as file:
            file.write(_as_lines(records))
    except OSError as error:
        raise CueframeError(
            f"{path} cannot be written ({error.strerror}); make room or rights, and run again"
        ) from error


def tidy(output: Path, order: Sequence[str], without: Collection[str] = ()) -> dict[str, Record]:
    """Bring all lines into mined.jsonl, in the order of the ids; those of other ids come last.

    Args:
        output: The folder.
        order: Question ids.
        without: Ids whose lines go.

    Returns:
        The lines by id.
    """
    parts = _parts(output)
    records = {n: record for n, record in read_records(output).items() if n not in without}
    places = {name: place for place, name in enumerate(order)}
    ordered = sorted(records, key=lambda name: places.get(name, len(places)))
    with written_whole(output / _LINES) as temporary:
        temporary.write_bytes(_as_lines(records[name] for name in ordered))
    for part in parts:
        part.unlink()
    return records


def is_whole(output: Path, record: Record) -> bool:
    """Whether all pictures of a line are there."""
    return all((output / shot["file"]).is_file() for shot in record["true"] + record["negatives"])


def _as_lines(records: Iterable[Record]) -> bytes:
    return "".join(json.dumps(r, ensure_ascii=False) + "\n" for r in records).encode()


def _parts(output: Path) -> list[Path]:
    return sorted(output.glob(".mined-rank-*.jsonl"))
