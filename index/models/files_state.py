"""Whether a model's files are as they were, told without reading its weights.

Small files are hashed whole. Of weights, which have gigabytes, the beginning with all names and
shapes and some blocks are, beside size, times and inode: no program can set a file's ctime, and
training changes nearly every weight. So a file put in the place of another, with its size and its
mtime, is told from it, also on a disk that keeps no ctime.
"""

import os
import time
from pathlib import Path

import xxhash
from huggingface_hub import snapshot_download

from index.boundary import costs_one
from index.discovery import as_hashed, has_settled
from index.errors import CueframeError
from index.models.libraries import HUB_PREFIX, MODEL_SIGNS, library_of, model_files
from index.models.library_versions import versions_here
from index.models.model_folder import is_folder

_WHOLE_BYTES = 64 << 20
"""The largest files besides weights, tokenizers, have 35 MB."""
_BEGIN_BYTES = 256 << 10
"""Names, shapes and places of a model of a few thousand weights."""
_BLOCK_BYTES = 4096
_BLOCKS = 64


def files_state(name: str) -> str | None:
    """Return a hash of the state of a model's files and of the versions of its libraries.

    Args:
        name: Folder, or name on the hub; of that, the files that are here are looked at.

    Returns:
        The hash; None where the files cannot be found or read, or changed so short a time ago that
        they may have changed again within a tick of the clock. Who loads the model then learns why.
    """
    digest = xxhash.xxh3_128(repr(versions_here()).encode())
    failed: dict[str, str] = {}
    with costs_one(failed, name, CueframeError):
        folder = _folder_of(name)
        library = "open_clip" if name.startswith(HUB_PREFIX) else library_of(str(folder))
        for path in model_files(folder, library):
            state = _state_of(path)
            if state is None:
                return None
            digest.update(f"{path.relative_to(folder)}\0{state}\0".encode(errors="surrogateescape"))
    return None if failed else digest.hexdigest()


def _folder_of(name: str) -> Path:
    if is_folder(name):
        return Path(name)
    # Fetches the few small files that say of which library it is, if these are not here.
    return Path(snapshot_download(name.removeprefix(HUB_PREFIX), allow_patterns=list(MODEL_SIGNS)))


def _state_of(path: Path) -> str | None:
    began_ns = time.time_ns()
    digest = xxhash.xxh3_128()
    with path.open("rb") as file:
        state = os.fstat(file.fileno())
        if not has_settled(state, began_ns):
            return None
        if state.st_size <= _WHOLE_BYTES and path.suffix != ".safetensors":
            digest.update(file.read())
        else:
            digest.update(file.read(_BEGIN_BYTES))
            for block in range(_BLOCKS):
                file.seek(state.st_size * block // _BLOCKS)
                digest.update(file.read(_BLOCK_BYTES))
            file.seek(max(0, state.st_size - _BLOCK_BYTES))
            digest.update(file.read())
    return repr(as_hashed(Path(path.name), state, digest.hexdigest()))
