"""Work is shared out evenly, and ranks meet whatever the order in which they come."""

import json
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, cast

import pytest
from accelerate import PartialState
from hypothesis import given
from hypothesis import strategies as st

from index.distributed import (
    await_message,
    balanced_shards,
    barrier,
    gather,
    publish,
    ranks,
    remove_old_rendezvous,
    rendezvous,
    share_work,
)
from tests.paths import ROOT


class Rank:
    """A place among several processes."""

    def __init__(self, index: int = 0, count: int = 1) -> None:
        self.process_index, self.num_processes = index, count
        self.is_main_process = index == 0


def rank(index: int = 0, count: int = 1) -> PartialState:
    return cast("PartialState", Rank(index, count))


def at_once(*calls: Any) -> list[Any]:
    """What functions return that wait for each other."""
    results: list[Any] = [None] * len(calls)

    def run(n: int) -> None:
        results[n] = calls[n]()

    threads = [threading.Thread(target=run, args=(n,), daemon=True) for n in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()
    return results


@given(st.lists(st.integers(0, 10**9), max_size=60), st.integers(1, 9))
def test_shards_hold_each_item_once_and_are_even(sizes: list[int], ranks: int) -> None:
    items = sorted(enumerate(sizes), key=lambda item: -item[1])
    shards = balanced_shards(items, ranks, lambda item: item[1])
    assert len(shards) == ranks
    assert sorted(item for shard in shards for item in shard) == sorted(items)
    for shard in shards:  # largest first, so that the long ones are begun first
        assert [size for _, size in shard] == sorted((s for _, s in shard), reverse=True)
    loads = [sum(size + 1 for _, size in shard) for shard in shards]
    # Greedy, largest first: no rank has more than another and its own last item beyond that.
    for load, shard in zip(loads, shards, strict=True):
        if shard:
            assert load - (shard[-1][1] + 1) <= min(loads)


def test_items_of_no_size_are_shared_out_too() -> None:
    assert [len(shard) for shard in balanced_shards(range(7), 3, lambda _: 0)] == [3, 2, 2]


def test_all_ranks_work_on_their_own_and_rank_0_gets_all(tmp_path: Path) -> None:
    shards = [["a"], ["b", "c"], []]

    def one(index: int) -> Any:
        time.sleep(0.3 * (2 - index))  # the last rank comes first
        given_shards = shards if index == 0 else None
        return share_work(
            tmp_path, rank(index, 3), given_shards, lambda shard: {"rank": index, "did": shard}
        )

    results = at_once(*(lambda i=i: one(i) for i in range(3)))
    assert results[0] == [{"rank": n, "did": shard} for n, shard in enumerate(shards)]
    assert results[1:] == [[], []]


def test_rank_0_alone_waits_for_nobody(tmp_path: Path) -> None:
    assert share_work(tmp_path, rank(), [["a"]], lambda shard: len(shard)) == [1]
    assert gather(tmp_path, rank(), {"x": None}) == [{"x": None}]
    barrier(tmp_path, rank(), "here")


def test_a_barrier_holds_until_the_last_one_is_there(tmp_path: Path) -> None:
    passed: list[int] = []

    def one(index: int) -> None:
        if index == 1:
            time.sleep(0.6)
            assert passed == []
        barrier(tmp_path, rank(index, 2), "indexed")
        passed.append(index)

    at_once(lambda: one(0), lambda: one(1))
    assert sorted(passed) == [0, 1]


def test_a_message_is_read_whole(tmp_path: Path) -> None:
    content = {"text": "ế" * 100_000, "numbers": [1, 2.5, None]}
    late = threading.Timer(0.3, publish, (tmp_path / "new", "m.json", content))
    late.start()
    assert await_message(tmp_path / "new", "m.json") == content
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["m.json"]


def test_a_rendezvous_is_cleared_away_by_rank_0_whatever_happens(tmp_path: Path) -> None:
    def fail(state: PartialState) -> Path:
        with rendezvous(tmp_path, state) as folder:
            publish(folder, "m.json", 1)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail(rank())
    assert list(tmp_path.iterdir()) == []


def test_what_killed_runs_left_goes_and_the_own_stays(tmp_path: Path) -> None:
    for name in (".run-old", ".run-own", "vectors"):
        publish(tmp_path / name, "m.json", 1)
    remove_old_rendezvous(tmp_path, keep=tmp_path / ".run-own")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".run-own", "vectors"]


SCRIPT = """
import json, sys, time
from pathlib import Path
from index.distributed import join_processes, rendezvous, share_work
state = join_processes()
with rendezvous(Path(sys.argv[1]), state) as folder:
    shards = [[1, 2], [3]] if state.is_main_process else None
    time.sleep(0.5 * state.is_main_process)
    found = share_work(folder, state, shards, lambda shard: [str(folder), sum(shard)])
if state.is_main_process:
    print(json.dumps(found))
"""


def test_two_real_processes_meet(tmp_path: Path) -> None:
    script = tmp_path / "meet.py"
    script.write_text(SCRIPT)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2"),
            *("--rdzv-backend", "c10d", "--rdzv-endpoint", "localhost:0"),
            *(str(script), str(tmp_path / "here")),
        ],
        cwd=ROOT,
        env={**os.environ, "ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    (first, own), (second, other) = json.loads(done.stdout)
    assert first == second  # one folder, of one name
    assert (own, other) == (3, 3)
    assert list((tmp_path / "here").iterdir()) == []


@pytest.mark.parametrize("size", ["WORLD_SIZE", "PMI_SIZE", "OMPI_COMM_WORLD_SIZE"])
def test_a_process_of_any_launcher_is_not_alone(size: str, monkeypatch: pytest.MonkeyPatch) -> None:
    joined = rank(1, 2)
    monkeypatch.setattr("index.distributed.join_processes", lambda: joined)
    assert ranks().num_processes == 1
    monkeypatch.setenv(size, "2")
    assert ranks() is joined


@pytest.mark.parametrize("taken", [True, False])
def test_a_place_at_which_processes_cannot_meet_is_one_line(taken: bool) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1]) if taken else "99999"
        environment = {
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": port,
            "RANK": "0",
            "LOCAL_RANK": "0",
            "WORLD_SIZE": "2",
            "ACCELERATE_USE_CPU": "true",
        }
        script = "from index.distributed import join_processes\njoin_processes()"
        ended = subprocess.run(
            [sys.executable, "-c", script],
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": str(ROOT)} | environment,
            capture_output=True,
            text=True,
        )
    last = ended.stderr.strip().splitlines()[-1]
    reason = "the port is in use" if taken else "port must have value from 0 to 65535"
    assert f"CueframeError: 2 processes cannot meet at 127.0.0.1:{port} ({reason}" in last
    assert "--main_process_port" in last
