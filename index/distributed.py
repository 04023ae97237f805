"""Split the work of one run over several processes, on one machine or many.

Rank 0 plans, and it alone writes shared files (SQLite on a network folder with several writers is
unsafe). The ranks exchange messages as files in a folder, their rendezvous, and not in a
collective, which would time out after gloo's 30 minutes while others decode. If a process dies,
the launcher notices and ends the others.

    FOLDER/.run-ID/shards.json      rank 0: the shard of each rank
    FOLDER/.run-ID/rank-2.json      rank 2: the result of its shard
"""

import json
import os
import shutil
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar

from index.errors import CueframeError
from index.storage.atomic_write import written_whole

SIZES = ("WORLD_SIZE", "PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "MV2_COMM_WORLD_SIZE")
"""The number of processes, as torchrun or an MPI launcher tells it."""
_POLL_S = 0.2
_FOLDERS = ".run-*"

Item = TypeVar("Item")

if TYPE_CHECKING:
    from accelerate import PartialState


class Ranks(Protocol):
    """Which process this is, of how many."""

    @property
    def num_processes(self) -> int:
        """Number of processes."""

    @property
    def process_index(self) -> int:
        """Rank of this one."""

    @property
    def is_main_process(self) -> bool:
        """Whether it is rank 0."""


class _Alone(NamedTuple):
    num_processes: int = 1
    process_index: int = 0
    is_main_process: bool = True


def ranks() -> Ranks:
    """Return which process this is, of how many, without torch where it is alone.

    Raises:
        CueframeError: As `join_processes`.
    """
    return join_processes() if started_processes() > 1 else _Alone()


def started_processes() -> int:
    """Return how many processes a launcher has started for this run."""
    return max(int(os.environ.get(name, "1")) for name in SIZES)


def join_processes() -> "PartialState":
    """Return the state of this process: its rank among all processes, and its device.

    Raises:
        CueframeError: Several processes were started, but they cannot meet or are not connected.
    """
    from accelerate import PartialState
    from accelerate.utils import parse_flag_from_env

    started = started_processes()
    try:
        state = PartialState(cpu=parse_flag_from_env("ACCELERATE_USE_CPU"))
    except (RuntimeError, ValueError) as error:
        if started == 1:
            raise
        place = f"{os.environ.get('MASTER_ADDR')}:{os.environ.get('MASTER_PORT')}"
        taken = "EADDRINUSE" in str(error)
        reason = "the port is in use" if taken else str(error).strip().split("\n")[0]
        raise CueframeError(
            f"{started} processes cannot meet at {place} ({reason}); name a free port of the first "
            "process's machine by MASTER_PORT, or --main_process_port of accelerate launch, and "
            "the machine by MASTER_ADDR"
        ) from error
    if started > 1 and state.num_processes == 1:
        raise CueframeError(
            f"{started} processes were started but Accelerate sees one, so each would do all the "
            "work; on CPUs start them with ACCELERATE_USE_CPU=true torchrun --nproc_per_node N"
        )
    return state


@contextmanager
def rendezvous(folder: Path, state: Ranks) -> Iterator[Path]:
    """Yield a folder for this run's messages, the same on every rank; rank 0 deletes it."""
    names = [uuid.uuid4().hex]
    if state.num_processes > 1:
        from accelerate.utils import broadcast_object_list

        broadcast_object_list(names)
    own = folder / f".run-{names[0]}"
    try:
        yield own
    finally:
        if state.is_main_process:
            shutil.rmtree(own, ignore_errors=True)


def remove_old_rendezvous(folder: Path, keep: Path | None = None) -> None:
    """Delete the rendezvous of killed runs; only the process that locked `folder` may do so."""
    for old in folder.glob(_FOLDERS):
        if old != keep:
            shutil.rmtree(old, ignore_errors=True)


def balanced_shards(
    items: Sequence[Item], ranks: int, size: Callable[[Item], int]
) -> list[list[Item]]:
    """Assign items, given largest first, each to the rank with the least load so far."""
    shards: list[list[Item]] = [[] for _ in range(ranks)]
    loads = [0] * ranks
    for item in items:
        least = loads.index(min(loads))
        shards[least].append(item)
        loads[least] += size(item) + 1
    return shards


def share_work(
    folder: Path,
    state: Ranks,
    shards: Sequence[Any] | None,
    work: Callable[[Any], Any],
) -> list[Any]:
    """Distribute shards and gather their results; every rank calls this.

    Args:
        folder: From `rendezvous`.
        state: From `join_processes` or `ranks`.
        shards: On rank 0 one shard for each rank, as JSON values; None elsewhere.
        work: Maps a shard to its result, a JSON value; called once on each rank.

    Returns:
        As for `gather`.
    """
    if shards is not None:
        publish(folder, "shards.json", shards)
    else:
        shards = await_message(folder, "shards.json")
    return gather(folder, state, work(shards[state.process_index]))


def gather(folder: Path, state: Ranks, result: Any) -> list[Any]:
    """Gather all results on rank 0, its own first; return [] elsewhere. Every rank calls this."""
    if not state.is_main_process:
        publish(folder, f"rank-{state.process_index}.json", result)
        return []
    others = range(1, state.num_processes)
    return [result, *(await_message(folder, f"rank-{rank}.json") for rank in others)]


def barrier(folder: Path, state: Ranks, name: str) -> None:
    """Wait until all ranks have reached the barrier of that name."""
    publish(folder, f"{name}-{state.process_index}.json", True)
    for rank in range(state.num_processes):
        await_message(folder, f"{name}-{rank}.json")


def publish(folder: Path, name: str, content: Any) -> None:
    """Write a message for the other ranks."""
    with written_whole(folder / name) as temporary:
        temporary.write_text(json.dumps(content))


def await_message(folder: Path, name: str) -> Any:
    """Wait for a message and return its content."""
    while not (folder / name).is_file():
        time.sleep(_POLL_S)
    return json.loads((folder / name).read_text())
