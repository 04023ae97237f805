"""Damaged videos: no hang, no crash, and no wrong picture without a word where libav has one.

Each mutant is decoded at its full frame rate by the workers of an index, and the numbers in its
pictures are compared with its times, counted from the first picture. A mutant is

    refused  as a video that cannot be used;
    died     with its worker, which is refused as well;
    told     with a warning;
    sound    without a warning, and each picture is there and right;
    short    without a warning and right, but pictures are missing;
    silent   without a warning, and a picture is another than its time says or cannot be read.

libav does not notice everything: some of the last two are counted and cannot be helped. Where it
does (tests/faults/oracle.py), there has to be a warning. One mutant alone:

    CUEFRAME_MUTANT=1234 pytest -s tests/faults
"""

import os
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from index.decoding.frame_types import VideoMetadata
from index.decoding.sampler import FrameSampler
from index.decoding.worker_pool import Chunk, Done, Failed, Opened, Sampler, decode_all
from index.models.preprocess import ImageTransform
from tests.faults.mutants import FPS, FRAMES, SIDE, Mutant, Source, make_mutant, make_sources
from tests.faults.oracle import look_closely
from tests.videos import read_number

CLASSES = ("refused", "died", "told", "sound", "short", "silent")
LIMIT_S = 20.0
"""An intact one takes a tenth of a second."""
AT_ONCE = 100
"""Mutants on the disk at a time."""
ONCE_WRONG = (4066, 5113)
"""Mutants beyond the long form that found something."""

_UNFORESEEN = re.compile(r"\w+: ")
"""Begins the reason where the worker pool had to catch an exception: with its name."""

SAMPLER = FrameSampler(
    fps=FPS,
    transform=ImageTransform(
        mode="center", height=SIDE, width=SIDE, shortest_edge=SIDE, resample=3, fill=(0, 0, 0)
    ),
    max_pixels=2**24,
)


@dataclass
class Outcome:
    """What comes of a file: (time in s, number or None) of its frames, then one of the others."""

    frames: list[tuple[float, int | None]] = field(default_factory=list)
    metadata: VideoMetadata | None = None
    reason: str = ""

    def shown(self) -> str:
        """The class of a mutant."""
        if self.metadata is None:
            return "died" if self.reason.startswith("its worker process") else "refused"
        if self.metadata.warnings:
            return "told"
        first = self.frames[0][1]
        if any(
            first is None or number is None or abs(time_s * FPS - (number - first)) > 0.1
            for time_s, number in self.frames
        ):
            return "silent"
        return "sound" if [number for _, number in self.frames] == [*range(FRAMES)] else "short"


def number_of(square: npt.NDArray[np.uint8]) -> int | None:
    try:
        return read_number(Image.fromarray(square))
    except ValueError:
        return None


def outcomes(paths: list[Path], read: Sampler) -> list[Outcome]:
    found = {str(path): Outcome() for path in paths}
    for event in decode_all(found, read, side=(SIDE, SIDE), workers=1, limit_s=LIMIT_S):
        match event:
            case Chunk(job=job, time_s=times_s, pixels=pixels):
                found[job].frames += zip(times_s, map(number_of, pixels), strict=True)
            case Done(job, metadata):
                found[job].metadata = metadata
            case Failed(job, reason):
                found[job].reason = reason
            case Opened():
                pass
    return list(found.values())


def faults_of(mutant: Mutant, outcome: Outcome, report: Outcome) -> list[str]:
    """What is wrong with the way in which a mutant was taken."""
    if "took longer" in outcome.reason:
        return [f"{mutant}: hangs"]
    if _UNFORESEEN.match(outcome.reason):
        return [f"{mutant}: {outcome.reason}"]
    shown = outcome.shown()
    told = report.metadata.warnings if report.metadata else [report.reason]
    if shown not in ("silent", "short") or not told or _begins_late(outcome):
        return []
    return [f"{mutant}: {shown}, although libav says {told[0]!r} and {len(told) - 1} more"]


def _begins_late(outcome: Outcome) -> bool:
    """Only the first pictures are missing, as in a recording that begins between key frames."""
    numbers = [number for _, number in outcome.frames]
    return outcome.shown() == "short" and numbers == [*range(numbers[0] or 0, FRAMES)]


def check(seeds: Sequence[int], sources: list[Source], folder: Path) -> None:
    """Decode the mutants of the seeds, print the table and look for faults."""
    table: Counter[tuple[str, str]] = Counter()
    faults: list[str] = []
    for start in range(0, len(seeds), AT_ONCE):
        mutants = [make_mutant(seed, sources) for seed in seeds[start : start + AT_ONCE]]
        paths = [folder / f"{mutant.seed}.{mutant.source.container}" for mutant in mutants]
        for path, mutant in zip(paths, mutants, strict=True):
            path.write_bytes(mutant.data)
        taken, reports = outcomes(paths, SAMPLER), outcomes(paths, look_closely)
        for mutant, outcome, report in zip(mutants, taken, reports, strict=True):
            table[mutant.source.container, outcome.shown()] += 1
            faults += faults_of(mutant, outcome, report)
            if len(seeds) == 1:
                print(f"{mutant}: {outcome.shown()}", outcome, report, sep="\n")
        for path in paths:
            path.unlink()
    print_table(table)
    assert not faults, "\n".join(faults)


def print_table(table: Counter[tuple[str, str]]) -> None:
    containers = [*dict.fromkeys(container for container, _ in sorted(table)), "all"]
    for (_, shown), count in list(table.items()):
        table["all", shown] += count
    print(f"\n{'':10}", *(f"{shown:>8}" for shown in CLASSES))
    for container in containers:
        print(f"{container:10}", *(f"{table[container, shown]:8}" for shown in CLASSES))


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> list[Source]:
    return make_sources(tmp_path_factory.mktemp("sources"))


def test_intact_sources_are_sound_and_nothing_is_reported(
    sources: list[Source], tmp_path: Path
) -> None:
    paths = []
    for number, source in enumerate(sources):
        paths.append(tmp_path / f"{number}.{source.container}")
        paths[-1].write_bytes(source.data)
    assert [outcome.shown() for outcome in outcomes(paths, SAMPLER)] == ["sound"] * len(paths)
    for report in outcomes(paths, look_closely):
        assert report.metadata is not None
        assert report.metadata.warnings == []


def test_mutants(sources: list[Source], tmp_path: Path) -> None:
    alone = os.environ.get("CUEFRAME_MUTANT")
    # 112 is each kind of damage to each source.
    check([int(alone)] if alone else [*range(112), *ONCE_WRONG], sources, tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_many_mutants(sources: list[Source], tmp_path: Path) -> None:
    check(range(2000), sources, tmp_path)
