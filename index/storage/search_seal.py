"""The end of frames.faiss: hashes of its blocks, and whose vectors it holds.

    what FAISS wrote | JSON: {"blocks": [hash, …], "videos": {number: content hash, …}}
                     | hash of the JSON (16 bytes) | its length (8 bytes) | "cueframe"

FAISS ignores what comes after its own part. The file is replaced as a whole, so hashes and videos
are always those of its vectors. All hashes are xxh3.
"""

import json
import stat
import struct
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import xxhash

_BLOCK_BYTES = 2**24
_END = struct.Struct("<16sQ8s")
_MAGIC = b"cueframe"


def add_seal(path: Path, videos: Mapping[int, str]) -> None:
    """Add the end to a file that FAISS has just written.

    Args:
        path: The file.
        videos: Content hash by number of the videos whose vectors it holds.
    """
    blocks = _block_hashes(path, path.stat().st_size)
    text = json.dumps({"blocks": blocks, "videos": videos}).encode()
    with path.open("ab") as file:
        file.write(text + _END.pack(xxhash.xxh3_128_digest(text), len(text), _MAGIC))


def read_seal(path: Path) -> dict[int, str]:
    """Compare all bytes of the file with their hashes; return its videos, as in `add_seal`.

    Raises:
        OSError: It is missing, or cannot be read now.
        ValueError: It is not what was written.
    """
    if not stat.S_ISREG(path.stat().st_mode):  # who opens a FIFO waits for its writer
        raise ValueError("it is no file")
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - _END.size))
        end = file.read()
        if len(end) < _END.size or not end.endswith(_MAGIC):
            raise ValueError("no hashes stand at its end")
        digest, length, _ = _END.unpack(end)
        start = size - _END.size - length
        file.seek(max(0, start))
        text = file.read(min(length, size))
    if start < 0 or xxhash.xxh3_128_digest(text) != digest:
        raise ValueError("its end is not what was written")
    content = json.loads(text)
    if _block_hashes(path, start) != content["blocks"]:
        raise ValueError("its vectors are not those that were written")
    return {int(number): content_hash for number, content_hash in content["videos"].items()}


def _block_hashes(path: Path, size: int) -> list[str]:
    """Hash the first `size` bytes block by block; threads, since hashing releases the GIL."""

    def hash_of(start: int) -> str:
        with path.open("rb") as file:
            file.seek(start)
            return xxhash.xxh3_128_hexdigest(file.read(min(_BLOCK_BYTES, size - start)))

    with ThreadPoolExecutor(max_workers=4) as pool:
        return list(pool.map(hash_of, range(0, size, _BLOCK_BYTES)))
