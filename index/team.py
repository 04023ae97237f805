"""Several processes, on one machine or many, that build one index in a shared folder.

Rank 0 plans, and alone writes catalog and FAISS: SQLite on a network folder with several writers
is unsafe. The others wait for files, not in a collective, which would die after gloo's 30 minutes
while others decode. A process that dies is the launcher's to notice: it ends the rest.

    INDEX/.team-RUN/plan.json       rank 0: the profile, and each rank's jobs
    INDEX/.team-RUN/rank-2.json     rank 2: what became of its jobs, and what they cost
"""

import json
import os
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from accelerate import PartialState
from accelerate.utils import broadcast_object_list, parse_flag_from_env

from index.catalog import Video
from index.embed import Cost
from index.errors import CueframeError
from index.plan import Job
from index.store import written_whole

_POLL_S = 0.2


def join_team() -> PartialState:
    """The process's place among all, and its device.

    Raises:
        CueframeError: Several processes were started, but they don't know of each other.
    """
    state = PartialState(cpu=parse_flag_from_env("ACCELERATE_USE_CPU"))
    asked = int(os.environ.get("WORLD_SIZE", "1"))
    if asked > 1 and state.num_processes == 1:
        raise CueframeError(
            f"{asked} processes were started but Accelerate sees one, so each would do all the "
            "work; on CPUs start them with ACCELERATE_USE_CPU=true torchrun --nproc_per_node N"
        )
    return state


@contextmanager
def meeting_place(index: Path, state: PartialState) -> Iterator[Path]:
    """A folder for this run's messages, the same on every rank; rank 0 clears it away."""
    names = [uuid.uuid4().hex]
    if state.num_processes > 1:
        broadcast_object_list(names)
    folder = index / f".team-{names[0]}"
    try:
        yield folder
    finally:
        if state.is_main_process:
            shutil.rmtree(folder, ignore_errors=True)


def share_out(jobs: list[Job], ranks: int) -> list[list[Job]]:
    """Jobs, largest first, each to the rank that has least to do so far."""
    shares: list[list[Job]] = [[] for _ in range(ranks)]
    loads = [0] * ranks
    for job in jobs:
        least = loads.index(min(loads))
        shares[least].append(job)
        loads[least] += job.size + 1
    return shares


def publish(folder: Path, name: str, content: Any) -> None:
    """Write a message for the others."""
    with written_whole(folder / name) as temporary:
        temporary.write_text(json.dumps(content))


def await_message(folder: Path, name: str) -> Any:
    """Read a message as soon as it is there."""
    while not (folder / name).is_file():
        time.sleep(_POLL_S)
    return json.loads((folder / name).read_text())


def pack_result(videos: list[Video], cost: Cost) -> dict[str, Any]:
    """A rank's result as a message."""
    return {"videos": [asdict(video) for video in videos], "cost": asdict(cost)}


def results_of(folder: Path, ranks: int, cost: Cost) -> Iterator[Video]:
    """What became of the other ranks' jobs, as they finish; their cost is added."""
    for rank in range(1, ranks):
        message = await_message(folder, f"rank-{rank}.json")
        cost.add(Cost(**message["cost"]))
        for video in message["videos"]:
            yield Video(**{**video, "warnings": tuple(video["warnings"])})
