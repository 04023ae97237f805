"""The summary of a mining run: lines on stderr and one JSON object on stdout."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from index.messages import say
from train.mining.manifest import ManifestRecord

_NAMED = 10
"""Maximum number of lines of one kind, and of ids in a line; the rest is counted."""


@dataclass(kw_only=True)
class MiningSummary:
    """The summary of one process, as JSON values."""

    videos: int = 0
    """Number of decoded videos."""
    failed: dict[str, str] = field(default_factory=dict)
    """Path to reason."""
    warnings: list[str] = field(default_factory=list)
    too_long: list[str] = field(default_factory=list)
    """Ids of questions whose caption is longer than the encoder reads."""
    frames: int = 0
    """Number of encoded frames."""
    decode_cpu_s: float = 0.0
    encode_s: float = 0.0

    def add(self, other: "MiningSummary") -> None:
        """Add the summary of another process."""
        self.videos += other.videos
        self.failed |= other.failed
        self.warnings += other.warnings
        self.too_long += other.too_long
        self.frames += other.frames
        self.decode_cpu_s += other.decode_cpu_s
        self.encode_s += other.encode_s


def print_summary(
    outcome: MiningSummary,
    path_of: Mapping[str, str],
    unlabelled: Sequence[str],
    refused: int,
    records: Mapping[str, ManifestRecord],
    done_before: Collection[str],
    threshold: float,
    wall_s: float,
) -> int:
    """Print the summary of a run.

    Args:
        outcome: Summary over all processes.
        path_of: Path of every labelled question's video, by id.
        unlabelled: Ids of questions without a label.
        refused: Number of records of the questions' file that cannot be read.
        records: Lines of all questions mined so far, by id.
        done_before: Ids of those that an earlier run mined.
        threshold: Threshold of similarity.
        wall_s: Duration of the run in seconds.

    Returns:
        The exit code: 1 if a video failed, else 0.
    """
    failed = [name for name, path in path_of.items() if path in outcome.failed]
    clamped = [
        f"question {name}: support time {shot['support_time_s']} s is past the end "
        f"({record['duration_s']:.3f} s); taken is the last frame, at {shot['time_s']:.3f} s"
        for name, record in records.items()
        for shot in record["true"]
        if shot["clamped"]
    ]
    bare = [name for name, record in records.items() if not record["negatives"]]
    for path, reason in sorted(outcome.failed.items()):
        whose = named([name for name in failed if path_of[name] == path])
        say(f"failed: {path}: {reason} (questions: {whose})")
    _warn(sorted(outcome.warnings))
    _warn(clamped)
    if unlabelled:
        say(
            f"left out: {len(unlabelled)} questions without support_frames, support_ranges or "
            f"scenes: {named(unlabelled)}"
        )
    if bare:
        say(f"without negatives: {len(bare)} questions, kept all the same: {named(bare)}")
    if 2 * len(bare) > len(records):
        say(
            "warning: more than half of the questions have no negatives; raise "
            f"--neg_sim_threshold (it is {threshold}; an untrained model finds every frame alike, "
            "and above 1 the test is off) or lower --guard_s"
        )
    result = {
        "questions": len(path_of) + len(unlabelled) + refused,
        "mined": len(records) - len(done_before),
        "reused": len(done_before),
        "failed": len(failed),
        "unlabelled": len(unlabelled),
        "refused": refused,
        "videos": outcome.videos,
        "true_frames": sum(len(record["true"]) for record in records.values()),
        "negatives": sum(len(record["negatives"]) for record in records.values()),
        "without_negatives": len(bare),
        "clamped": len(clamped),
        "frames": outcome.frames,
        "wall_s": round(wall_s, 3),
        "decode_cpu_s": round(outcome.decode_cpu_s, 3),
        "encode_s": round(outcome.encode_s, 3),
    }
    print(json.dumps(result))
    return 1 if failed else 0


def named(ids: Sequence[str]) -> str:
    """Join the first ids, with the number of the others."""
    more = f" and {len(ids) - _NAMED} more" if len(ids) > _NAMED else ""
    return ", ".join(ids[:_NAMED]) + more


def _warn(lines: Sequence[str]) -> None:
    for line in lines[:_NAMED]:
        say(f"warning: {line}")
    if len(lines) > _NAMED:
        say(f"warning: … and {len(lines) - _NAMED} more of these")
