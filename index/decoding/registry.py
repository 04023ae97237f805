"""The decoders by the name that `--decoder` takes; a new decoder needs only a line here.

This file imports no PyAV: the flag is made from it, and --help has to be quick.
"""

from typing import NamedTuple


class DecoderEntry(NamedTuple):
    """The function of a decoder, and its text in --help."""

    function: str
    """Module and function: (path, times_s, scale, clamp, max_pixels) -> FrameStream."""
    help: str


_PYAV = "index.decoding.pyav_decoder:decode_pyav"

DECODERS = {
    "auto": DecoderEntry(_PYAV, "PyAV, every frame in order"),
    "pyav": DecoderEntry(_PYAV, "the same"),
    "decord": DecoderEntry(
        "index.decoding.decord_decoder:decode_decord", "skips, which pays at an --fps below 1"
    ),
}
