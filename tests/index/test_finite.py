"""The precision that is named would help."""

import pytest

from index.finite import not_finite


@pytest.mark.parametrize(
    ("dtype", "wanted"),
    [
        (
            "float16",
            "x computes no finite numbers in float16; choose --dtype float32 or bfloat16, ",
        ),
        ("torch.bfloat16", "x computes no finite numbers in bfloat16; choose --dtype float32, or "),
        ("float32", "x computes no finite numbers in float32; fetch"),
    ],
)
def test_it_is_not_the_one_in_use(dtype: str, wanted: str) -> None:
    line = str(not_finite("x", dtype))
    assert line.startswith(wanted)
    assert line.endswith("fetch or save it again")
