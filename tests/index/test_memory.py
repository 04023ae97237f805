"""Out of memory, on a GPU and on the CPU, is one line; other errors pass."""

import pytest
import torch

from index.errors import CueframeError
from index.memory import explain_out_of_memory


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.\nGPU 0 has …"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried …"),
    ],
)
def test_no_memory_is_one_line_that_names_the_flag(error: RuntimeError) -> None:
    with (
        pytest.raises(CueframeError, match="out of memory") as caught,
        explain_out_of_memory("--size"),
    ):
        raise error
    assert str(caught.value).endswith("; lower --size")
    assert "\n" not in str(caught.value)


def test_the_cpu_says_it_in_these_words() -> None:
    with pytest.raises(CueframeError, match="out of memory"), explain_out_of_memory("--size"):
        torch.empty(2**60, dtype=torch.uint8)


def test_other_errors_pass() -> None:
    with pytest.raises(RuntimeError, match="shape"), explain_out_of_memory("--size"):
        raise RuntimeError("a wrong shape")
