"""The error of numbers that are not finite, with a precision that would help."""

from index.errors import CueframeError

_WIDER = {"float16": "float32 or bfloat16", "bfloat16": "float32"}
"""Precisions to choose instead of one; wider than float32 there is none."""


def not_finite(what: str, dtype: str, remedy: str = "fetch or save it again") -> CueframeError:
    """Return the error of a model whose numbers are not finite.

    Args:
        what: The model, with its kind or name.
        dtype: The precision in which it computes, such as "float16" or "torch.float16".
        remedy: What else helps.
    """
    dtype = dtype.removeprefix("torch.")
    wider = f"choose --dtype {_WIDER[dtype]}, or " if dtype in _WIDER else ""
    return CueframeError(f"{what} computes no finite numbers in {dtype}; {wider}{remedy}")
