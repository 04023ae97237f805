"""One seed for all random number generators."""

from accelerate.utils import set_seed as seed_libraries

from index.errors import CueframeError


def set_seed(seed: int) -> None:
    """Seed Python, NumPy, torch and CUDA, on every process alike.

    Raises:
        CueframeError: The seed is not from 0 to 4294967295, the range of NumPy's.
    """
    if not 0 <= seed < 2**32:
        raise CueframeError(f"--seed is {seed}; give a number from 0 to {2**32 - 1}")
    seed_libraries(seed)
