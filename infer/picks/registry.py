"""The files of picks by the value of `--picks-format`; a new one needs one line here.

This file does not import NumPy: the flag is made from it, and --help has to be quick.
"""

from typing import NamedTuple


class PicksFormat(NamedTuple):
    """The location of a reader, and its text in --help."""

    reader: str
    """Module and function, `(content, Collector) -> None`; see `infer.picks.collector`."""
    help: str


_SECONDS, _NUMBERS = "infer.picks.formats", "infer.picks.frame_numbers"

PICKS_FORMATS = {
    "aks": PicksFormat(
        f"{_NUMBERS}:read_aks",
        "frame numbers, in lists in the order of QUESTIONS or as frame_idx of its records",
    ),
    "bolt": PicksFormat(f"{_SECONDS}:read_bolt", "seconds by video and question"),
    "kfs-bench": PicksFormat(
        f"{_SECONDS}:read_kfs_bench", "records with an id and frame_timestamps in seconds"
    ),
    "times": PicksFormat(
        f"{_SECONDS}:read_times",
        "{question id: [seconds, …]}, or records with an id and times_s",
    ),
}
