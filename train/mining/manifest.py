"""The manifest of mined frames, from which an interrupted run continues where it stopped.

    OUTPUT/mining.json              settings that determine the result; every run must agree
    OUTPUT/mined.jsonl              one line for each question
    OUTPUT/.mined-rank-2.jsonl      lines of another process, until rank 0 merges them
    OUTPUT/frames_true/<id>/        the pictures
    OUTPUT/frames_neg/<id>/
    OUTPUT/sampled/                 vectors of the videos (`train.mining.sampled_vectors`)

A question counts as mined once its line is complete; its pictures are in place by then.
"""

import json
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any

from index.distributed import remove_old_rendezvous
from index.errors import CueframeError
from index.resume import claim
from index.storage.atomic_write import explain_unwritable, written_whole
from infer.answering.run_log import as_json_line

TRUE_FOLDER, NEGATIVE_FOLDER = "frames_true", "frames_neg"

ManifestRecord = dict[str, Any]
"""A line: id, video_path, content_hash, key, duration_s, true [{file, time_s, end_s,
support_time_s, clamped}], negatives [{file, time_s, end_s, similarity, segment, source}]. Files are
relative to OUTPUT; older lines have no end_s."""

LABELLED = "labelled"
"""The source of a negative that the question names itself."""

_LINES = "mined.jsonl"
_SETTINGS = "mining.json"


def remove_leftovers(output: Path, keep: Path) -> None:
    """Delete leftovers of killed runs, but not this run's rendezvous; call it under the lock."""
    remove_old_rendezvous(output, keep)
    for file in output.glob(".*.tmp"):  # of `index.storage.atomic_write.written_whole`
        file.unlink()


def claim_folder(output: Path, settings: dict[str, Any]) -> None:
    """Claim an output folder for a new run, or check that it was mined with the same settings.

    Args:
        output: The folder.
        settings: Settings that determine the result, by name of the flag; JSON values.

    Raises:
        CueframeError: The folder was mined with other settings, or not by this program.
    """
    remedy = "mine with that, name another --output_folder, or delete that one"
    if not (output / _SETTINGS).is_file():
        for name in (TRUE_FOLDER, NEGATIVE_FOLDER, _LINES):
            if (output / name).exists():
                raise CueframeError(
                    f"{output / name} is there but no {_SETTINGS} that says how it was mined; "
                    f"{remedy}"
                )
    claim(output / _SETTINGS, settings, remedy)


def read_records(output: Path) -> dict[str, ManifestRecord]:
    """Read the lines of all processes, by question id; an incomplete last line is ignored.

    Raises:
        CueframeError: A line is not a record of a question.
    """
    records: dict[str, ManifestRecord] = {}
    for path in (output / _LINES, *_parts(output)):
        if not path.is_file():
            continue
        for number, line in enumerate(path.read_bytes().split(b"\n")[:-1], 1):
            try:
                record = json.loads(line)
                records[record["id"]] = record
            except (ValueError, TypeError, KeyError, RecursionError) as error:
                raise CueframeError(
                    f"{path}: line {number} is no question that was mined; delete the line, and "
                    "run train/mine.py again"
                ) from error
    return records


def append(output: Path, rank: int, records: Iterable[ManifestRecord]) -> None:
    """Append lines; rank 0 writes to mined.jsonl, any other rank to a file of its own."""
    path = output / (_LINES if rank == 0 else f".mined-rank-{rank}.jsonl")
    with explain_unwritable(path), path.open("ab") as file:
        file.write(_as_lines(records))


def tidy(
    output: Path, order: Sequence[str], without: Collection[str] = ()
) -> dict[str, ManifestRecord]:
    """Merge all lines into mined.jsonl, in the order of the ids; those of other ids come last.

    Args:
        output: The folder.
        order: Question ids.
        without: Ids whose lines are removed.

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


def is_whole(output: Path, record: ManifestRecord) -> bool:
    """Return whether all pictures of a line exist."""
    return all((output / shot["file"]).is_file() for shot in record["true"] + record["negatives"])


def _as_lines(records: Iterable[ManifestRecord]) -> bytes:
    return b"".join(map(as_json_line, records))


def _parts(output: Path) -> list[Path]:
    return sorted(output.glob(".mined-rank-*.jsonl"))
