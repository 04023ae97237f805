"""HDF5 files that say whose they are, with a hash over all their bytes.

HDF5 leaves the first 512 bytes of a file, its user block, to others. Here they are a line of text:

    Cueframe vectors of 3f…, xxh3 of the bytes after these 512: 9a…

The bytes are read once and compared with that hash, and HDF5 gets them from memory. So it never
opens a damaged file (it hung in 2 of some 12,000 fuzzed ones while it read attributes), needs no
locks of the disk, and no other process can change the file meanwhile. Files of earlier versions
have no such block; for them the hash among the attributes has to do (`index.storage.store`).
"""

import io
import re
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
import xxhash

from index.errors import CueframeError, DamagedError
from index.storage.atomic_write import written_whole

_BLOCK_BYTES = 512
_SEAL = re.compile(rb"Cueframe vectors of (\w+), xxh3 of the bytes after these 512: (\w{32})\n\0+")
_SCALAR = h5py.h5s.create(h5py.h5s.SCALAR)
_HDF5 = b"\x89HDF\r\n\x1a\n"


def write_sealed(
    path: Path,
    content_hash: str,
    arrays: Mapping[str, npt.NDArray[Any]],
    attributes: Mapping[str, Any],
    *,
    synced: bool = True,
) -> None:
    """Write arrays, contiguous and uncompressed, and attributes of the root.

    HDF5 makes the file in memory, so that it is written once and not read again for its hash.

    Args:
        path: The file.
        content_hash: Whose vectors they are.
        arrays: By name.
        attributes: By name.
        synced: As for `index.storage.atomic_write.written_whole`.

    Raises:
        CueframeError: The file cannot be written.
    """
    body = _hdf5(arrays, attributes)
    with written_whole(path, synced=synced) as temporary, temporary.open("wb") as file:
        file.write(_seal(content_hash, body))
        file.write(body)


def _hdf5(arrays: Mapping[str, npt.NDArray[Any]], attributes: Mapping[str, Any]) -> bytes:
    """Return an HDF5 file from the end of its user block on."""
    how: dict[str, Any] = {"driver": "core", "backing_store": False, "locking": False}
    with h5py.File("in memory", "w", userblock_size=_BLOCK_BYTES, **how) as file:
        for name, array in arrays.items():
            _add_array(file, name, array)
        for name, value in attributes.items():
            _add_attribute(file, name, value)
        file.flush()
        image: bytes = file.id.get_file_image()  # it begins after the user block
        return image


def _add_array(file: h5py.File, name: str, array: npt.NDArray[Any]) -> None:
    """Write an array as `file[name] = array` does, but in less time."""
    how = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    how.set_obj_track_times(False)
    kept = h5py.h5t.py_create(array.dtype, logical=True)
    made = h5py.h5d.create(file.id, name.encode(), kept, h5py.h5s.create_simple(array.shape), how)
    made.write(h5py.h5s.ALL, h5py.h5s.ALL, np.ascontiguousarray(array))


def _add_attribute(file: h5py.File, name: str, value: Any) -> None:
    """Write an attribute of the root as `file.attrs[name] = value` does, but in less time."""
    dtype, kept, here = _types_of(type(value).__name__)
    attribute = h5py.h5a.create(file.id, name.encode(), kept, _SCALAR)
    attribute.write(np.asarray(value, dtype), mtype=here)


@cache
def _types_of(kind: str) -> tuple[np.dtype[Any], h5py.h5t.TypeID, h5py.h5t.TypeID]:
    """Return the types of an `int`, `str` … in numpy, in the file and in memory, as h5py does."""
    texts = {"str": h5py.string_dtype(), "bytes": h5py.string_dtype("ascii")}
    dtype: np.dtype[Any] = texts[kind] if kind in texts else np.dtype(kind)
    return dtype, h5py.h5t.py_create(dtype, logical=True), h5py.h5t.py_create(dtype)


def read_sealed(
    path: Path, content_hash: str, names: tuple[str, ...]
) -> tuple[dict[str, npt.NDArray[Any]], dict[str, Any]]:
    """Read the named arrays, and all attributes as Python's own types.

    Raises:
        DamagedError: It is not what was written for this content.
        CueframeError: It is missing, or cannot be read now.
    """
    data = _bytes_of(path)
    with damage_named(path):
        if not data.startswith(_HDF5):  # one that does is of an earlier version
            _compare_seal(data, content_hash)
        with h5py.File(io.BytesIO(data), "r") as file:
            arrays = {name: _inside(file, name)[...] for name in names}
            return arrays, {name: _plain(value) for name, value in file.attrs.items()}


def hash_of_sealed(path: Path) -> str | None:
    """Return the hash that the file says it has; None of a file of an earlier version."""
    try:
        with path.open("rb") as file:
            found = _SEAL.fullmatch(file.read(_BLOCK_BYTES))
    except OSError:
        return None
    return found[2].decode() if found else None


def _compare_seal(data: bytes, content_hash: str) -> None:
    if data[:_BLOCK_BYTES] == _seal(content_hash, data[_BLOCK_BYTES:]):
        return
    found = _SEAL.fullmatch(data[:_BLOCK_BYTES])
    if found and found[1].decode() != content_hash:
        raise ValueError(f"it holds the vectors of {found[1].decode()}")
    raise ValueError("its bytes are not those that were written")


def _seal(content_hash: str, body: bytes) -> bytes:
    digest = xxhash.xxh3_128_hexdigest(body)
    text = f"Cueframe vectors of {content_hash}, xxh3 of the bytes after these 512: {digest}\n"
    return text.encode().ljust(_BLOCK_BYTES, b"\0")


def _bytes_of(path: Path) -> bytes:
    try:
        if stat.S_ISREG(path.stat().st_mode):
            return path.read_bytes()
    except FileNotFoundError as error:
        raise CueframeError(
            f"the vector file {path} is missing; index/build.py embeds the video again"
        ) from error
    except OSError as error:
        raise CueframeError(
            f"the vector file {path} cannot be read ({error.strerror}); it may be sound: make it "
            "readable, and run again"
        ) from error
    # Who opens a FIFO waits for its writer.
    raise DamagedError(f"the vector file {path} is no file; {_remedy(path)}")


@contextmanager
def damage_named(path: Path) -> Iterator[None]:
    """Turn whatever is wrong with the content of a file into one line."""
    try:
        yield
    except MemoryError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split())
        raise DamagedError(
            f"the vector file {path} is damaged ({reason}); {_remedy(path)}"
        ) from error


def _remedy(path: Path) -> str:
    index = path.parents[2]
    return (
        f"python index/check.py {index} --repair moves it away, and index/build.py embeds the "
        "video again"
    )


def _inside(file: h5py.File, name: str) -> h5py.Dataset:
    """Return an array whose values are in this very file; HDF5 can take them from elsewhere."""
    own = isinstance(file.get(name, getlink=True), h5py.HardLink)
    array = file[name] if own else None
    if isinstance(array, h5py.Dataset) and not array.external and not array.is_virtual:
        return array
    raise ValueError(f"{name} is no array in this file")


def _plain(value: Any) -> Any:
    """Return an attribute as it was written."""
    return value.item() if isinstance(value, np.generic) else value
