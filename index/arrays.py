"""Array types shared by many modules; shapes are given in docstrings."""

from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating[Any]]
Integers = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
