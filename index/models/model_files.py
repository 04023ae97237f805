"""Which files a model is made of, and whether they are the same as before."""

from pathlib import Path

import xxhash
from huggingface_hub import snapshot_download
from huggingface_hub.errors import LocalEntryNotFoundError

from index.models.libraries import KINDS, fetch, library_of, model_files
from index.models.model_folder import is_folder
from index.models.model_loading import in_one_line

_CHUNK = 1 << 20


def files_fingerprint(name: str, flag: str) -> str:
    """Hash the names and contents of a model's files: weights, configuration, tokenizer.

    Files of a model on the hub that are not in the cache yet are fetched. 1.7 GB in memory take
    0.6 s; from a disk, the time to read them, which loading the model then spares.

    Args:
        name: Folder, or name on the hub.
        flag: The flag that names the model, for the error message.

    Raises:
        ModelError: It is not a folder, and not available from the hub.
        CueframeError: A file cannot be read.
    """
    digest = xxhash.xxh3_128()
    block = memoryview(bytearray(_CHUNK))
    with in_one_line(name, flag):
        library = library_of(name)
        if library == "transformers" and not is_folder(name):
            folder = _snapshot(name)
        else:
            folder = fetch(name, library)
        for path in model_files(folder, library):
            inside = path.relative_to(folder)
            digest.update(f"{inside}\0{path.stat().st_size}\0".encode(errors="surrogateescape"))
            with path.open("rb", buffering=0) as file:
                while count := file.readinto(block):
                    digest.update(block[:count])
    return digest.hexdigest()


def _snapshot(name: str) -> Path:
    try:
        here = Path(snapshot_download(name, local_files_only=True))
        if any(here.glob("*.safetensors")):
            return here
    except LocalEntryNotFoundError:
        pass
    return Path(snapshot_download(name, allow_patterns=list(KINDS), ignore_patterns=["*/*"]))
