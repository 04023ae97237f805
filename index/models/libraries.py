"""Which library a model is of, and which of its files are read.

distilled.json                                                         of two models, one within
hf-hub:OWNER/NAME, or open_clip_config.json without a config.json of transformers   open_clip
modules.json                                                           sentence-transformers
else                                                                            transformers
"""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from huggingface_hub import snapshot_download

from index.errors import CueframeError
from index.models.model_folder import is_folder, refuse_odd_files

Library = Literal["transformers", "open_clip", "sentence_transformers", "distilled"]
"""distilled: a teacher and a student, each of a library (`index.models.distilled_folder`)."""

OPEN_CLIP_CONFIG = "open_clip_config.json"
MODULES = "modules.json"
DISTILLED = "distilled.json"
TEACHER, STUDENT = "teacher", "student"
"""Folders within that of a distilled model."""
OPEN_CLIP_WEIGHTS = ("open_clip_model.safetensors", "open_clip_pytorch_model.safetensors")
"""In the order in which open_clip itself looks for them."""
KINDS = ("*.json", "*.jinja", "*.model", "*.safetensors", "*.txt")
"""The files of a model that decide its vectors."""
HUB_PREFIX = "hf-hub:"
"""What open_clip's names of models on the hub begin with."""
MODEL_SIGNS = ("config.json", MODULES, OPEN_CLIP_CONFIG, DISTILLED)
"""Any of these in a folder shows that it holds a model."""
_PACKAGES = {
    "open_clip": ("open_clip_torch", "open-clip"),
    "sentence_transformers": ("sentence-transformers", "sentence-transformers"),
}
"""Name of the package, and of Cueframe's extra that installs it."""


def library_of(name: str) -> Library:
    """Say which library loads a model.

    Args:
        name: Folder, name on the hub, or open_clip's name of it (hf-hub:OWNER/NAME).

    Raises:
        Exception: As snapshot_download; call it under `index.models.model_loading.in_one_line`.
    """
    if name.startswith(HUB_PREFIX):
        return "open_clip"
    if is_folder(name):
        folder = Path(name)
    else:
        folder = Path(snapshot_download(name, allow_patterns=list(MODEL_SIGNS)))
    if (folder / DISTILLED).is_file():
        return "distilled"
    if (folder / MODULES).is_file():
        return "sentence_transformers"
    if (folder / OPEN_CLIP_CONFIG).is_file() and not _is_of_transformers(folder):
        return "open_clip"
    return "transformers"


def is_model_folder(folder: Path) -> bool:
    """Return whether a folder holds a model of any of the libraries."""
    return any((folder / name).is_file() for name in MODEL_SIGNS)


def fetch(name: str, library: Library) -> Path:
    """Return the folder with a model's files, fetched from the hub where they are not here.

    Raises:
        Exception: As `library_of`.
    """
    if is_folder(name):
        return Path(name)
    name = name.removeprefix(HUB_PREFIX)
    if library == "open_clip":
        patterns = [kind for kind in KINDS if kind != "*.safetensors"] + list(OPEN_CLIP_WEIGHTS)
        return Path(snapshot_download(name, allow_patterns=patterns, ignore_patterns=["*/*"]))
    # A distilled model has the folders of its student's modules in that of the student.
    deeper = "*/*/*/*" if library == "distilled" else "*/*/*"
    return Path(snapshot_download(name, allow_patterns=list(KINDS), ignore_patterns=[deeper]))


def model_files(folder: Path, library: Library) -> list[Path]:
    """Return the files in a model's folder that decide its vectors, sorted by folder and name.

    Raises:
        CueframeError: As `read_modules`.
    """
    if library == "distilled":
        parts = [folder / TEACHER, folder / STUDENT]
        inner = [model_files(one, library_of(str(one))) for one in parts if one.is_dir()]
        return [folder / DISTILLED, *chain.from_iterable(inner)]
    folders = [folder]
    if library == "sentence_transformers":
        folders += [folder / module["path"] for module in read_modules(folder) if module["path"]]
    return [
        path
        for each in dict.fromkeys(folders)
        for path in sorted({path for kind in KINDS for path in each.glob(kind)})
        if path.is_file() and not (library == "open_clip" and _is_of_another(path))
    ]


def read_modules(folder: Path) -> list[dict[str, str]]:
    """Return the modules that modules.json names: the path ("" for the folder itself) and type.

    Raises:
        CueframeError: modules.json is damaged, or names a folder elsewhere.
    """
    refuse_odd_files(folder)
    path = folder / MODULES
    try:
        modules = [
            {"path": str(one["path"]), "type": str(one["type"])}
            for one in json.loads(path.read_bytes())
        ]
    except (ValueError, TypeError, KeyError) as error:
        raise CueframeError(
            f"{path} is damaged ({error!r}); fetch or save the model again"
        ) from error
    for module in modules:
        parts = PurePosixPath(module["path"]).parts
        if len(parts) > 1 or parts[:1] in (("..",), ("/",)):
            raise CueframeError(
                f"{path} names a module outside of its folder ({module['path']}); fetch the model "
                "again"
            )
    return modules


def package_of(library: Library, name: str) -> Any:
    """Import the package of a library that is an extra.

    Raises:
        CueframeError: It is not installed, or cannot be imported.
    """
    package, extra = _PACKAGES[library]
    try:
        return import_module(library)
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] != library:
            raise CueframeError(
                f"{name} is a model of {package}, which needs {error.name}, and that is not "
                f"installed; run pip install -e '.[{extra}]' in the checkout"
            ) from error
        raise CueframeError(
            f"{name} is a model of {package}, which is not installed; run pip "
            f"install -e '.[{extra}]' in the checkout, or name another model with --model"
        ) from error
    except (ImportError, RuntimeError) as error:  # compiled for another torch
        first = str(error).strip().split("\n")[0]
        raise CueframeError(
            f"{name} is a model of {package}, which cannot be imported here ({first}); install "
            "torch and torchvision of one release and one index, or name another model with --model"
        ) from error


@contextmanager
def quiet() -> Iterator[None]:
    """Keep a library's messages, and handlers that it makes for them, from the root logger.

    What matters in them is refused where its models are loaded.
    """
    handlers, disabled = list(logging.root.handlers), logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(disabled)
        logging.root.handlers[:] = handlers


def _is_of_another(path: Path) -> bool:
    return path.suffix == ".safetensors" and path.name not in OPEN_CLIP_WEIGHTS


def _is_of_transformers(folder: Path) -> bool:
    refuse_odd_files(folder)
    path = folder / "config.json"
    # Where it is damaged, transformers says so.
    return path.is_file() and b'"model_type"' in path.read_bytes()
