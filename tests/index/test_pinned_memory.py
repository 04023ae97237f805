"""Memory is pinned by the CUDA runtime, or stays as it is where that is refused."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from index.decoding.shared_memory import mapped, reserved_memory
from index.pinned_memory import fetch, pin


@pytest.mark.parametrize("refused", [False, True])
def test_what_was_pinned_is_unpinned(refused: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[object, ...]] = []

    def register(place: int, size: int, flags: int) -> int:
        calls.append((place, size, flags))
        return 712 if refused else 0

    runtime = SimpleNamespace(
        cudaHostRegister=register,
        cudaHostUnregister=lambda place: calls.append((place,)),
        cudaError=SimpleNamespace(success=0),
    )
    monkeypatch.setattr(torch.cuda, "cudart", lambda: runtime)
    memory = np.zeros((2, 3), np.uint8)
    pin(memory)()
    expected = [(memory.ctypes.data, 6, 0), (memory.ctypes.data,)]
    assert calls == expected[: 1 if refused else 2]


def test_on_a_cpu_nothing_is_copied() -> None:
    tensor = torch.arange(3)
    assert fetch(tensor)() is tensor


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_what_is_fetched_is_what_was_made() -> None:
    made = torch.arange(10**6, device="cuda").float().sqrt()
    fetched = fetch(made)
    made = made.clone().mul_(0)
    assert torch.equal(fetched(), torch.arange(10**6).float().cuda().sqrt().cpu())


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_takes_shared_memory_for_pinned() -> None:
    with reserved_memory(2**20) as file:
        memory = mapped(file.fileno())
    tensor = torch.from_numpy(memory)
    assert not tensor.is_pinned()
    unpin = pin(memory)
    assert tensor.is_pinned()
    memory[:] = 7
    assert bool((tensor.to("cuda") == 7).all())
    unpin()
    assert not tensor.is_pinned()
