"""The decoders by the name that `--decoder` takes; a new decoder needs only a line here.

This file imports no PyAV: the flag is made from it, and --help has to be quick.
"""

from typing import NamedTuple


class DecoderEntry(NamedTuple):
    """The function of a decoder, and its text in --help."""

    function: str
    """Module and function: (path, next_time, scale, clamp, max_pixels) -> FrameStream."""
    help: str


DECODERS = {
    "auto": DecoderEntry(
        "index.decoding.pyav_decoder:decode_pyav", "PyAV, no more than the wanted frames need"
    ),
    "pyav": DecoderEntry(
        "index.decoding.in_order:decode_in_order",
        "PyAV, every frame in order, which notices all damage",
    ),
    "cuda": DecoderEntry(
        "index.decoding.cuda_decoder:decode_cuda",
        "an NVIDIA card, every frame in order; in software what it does not decode",
    ),
    "decord": DecoderEntry(
        "index.decoding.decord_decoder:decode_decord",
        "skips too, on files where it is right; seldom faster than auto",
    ),
}
