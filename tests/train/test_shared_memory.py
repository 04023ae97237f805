import os
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.errors import CueframeError
from train.shared_memory import refuse_small_room, room_bytes

MIB = 2**20


@given(st.lists(st.integers(1, 10**8), min_size=1, max_size=4), st.integers(1, 100))
def test_room_is_whole_pages_of_each_tensor_and_some_for_locks(sizes: list[int], held: int) -> None:
    page = os.sysconf("SC_PAGE_SIZE")
    more = room_bytes(sizes, held) - held * sum(sizes)
    assert MIB <= more < MIB + held * len(sizes) * page


@pytest.mark.parametrize(("processes", "most"), [("1", 40), ("2", 20), ("8", 5)])
def test_the_processes_of_a_machine_share_what_is_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, processes: str, most: int
) -> None:
    room = SimpleNamespace(f_frsize=4096, f_blocks=16384, f_bavail=10240)  # 64 MiB, 40 free
    monkeypatch.setattr(os, "statvfs", lambda _: room)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", processes)
    refuse_small_room(most * MIB, tmp_path)
    with pytest.raises(CueframeError) as refused:
        refuse_small_room(most * MIB + 1, tmp_path)
    assert f"of {tmp_path}, and 40 MiB are free; choose --num_workers 0" in str(refused.value)
    enlarged = int(str(refused.value).split("--shm-size ")[1].removesuffix("m)"))
    assert enlarged * MIB >= int(processes) * (most * MIB + 1) + 24 * MIB


def test_a_machine_without_it_is_not_asked(tmp_path: Path) -> None:
    refuse_small_room(10**18, tmp_path / "none")
