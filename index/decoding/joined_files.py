"""Files that were joined by `cat` although their container holds one recording alone.

Of such a file libavformat, and with it every player, reads the first recording (of Matroska the
first two) and stops without a word: what comes after is lost in silence.
"""

from pathlib import Path

_SEARCHED_BYTES = 2**24
"""An MP4 may have the index of its first recording, some megabytes, before the second one."""
_BRANDS = (b"isom", b"iso2", b"iso4", b"iso5", b"iso6", b"mp41", b"mp42", b"avc1", b"qt  ", b"M4V ")
_STARTS = {
    "flv": (b"FLV\x01",),
    "asf": (bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c"),),
    "matroska": (b"\x42\x82\x88matroska", b"\x42\x82\x84webm"),
    "mp4": tuple(b"ftyp" + brand for brand in _BRANDS),
}
"""How a recording starts, by a name of its format in libavformat."""


def unread_share(path: Path, format_names: str, read_bytes: int) -> float:
    """Return the share of a file, 0 to 1, in a further recording that was not read; 0 if none.

    Args:
        path: The file.
        format_names: libavformat's names of its format, joined by commas.
        read_bytes: End of the last packet that was read.
    """
    starts = [start for name in format_names.split(",") for start in _STARTS.get(name, ())]
    size = path.stat().st_size
    if not starts or not 0 < read_bytes < size:
        return 0.0
    with path.open("rb") as file:
        file.seek(read_bytes)
        rest = file.read(_SEARCHED_BYTES)
    found = [place for place in map(rest.find, starts) if place >= 0]
    return (size - read_bytes - min(found)) / size if found else 0.0
