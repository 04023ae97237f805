"""Open an index for writing: check the folder and its profile, delete leftovers."""

import contextlib
import shutil
from itertools import islice
from pathlib import Path
from typing import TypeVar

from index.distributed import remove_old_rendezvous
from index.errors import CueframeError
from index.known_models import is_builder, known_model
from index.models.model_folder import DEFAULT_MODEL, is_folder
from index.models.preprocess import Resize, ViewMode
from index.storage.store import Profile, read_profile, read_vectors

Value = TypeVar("Value")

_LOOKED_AT = 8
"""Vector files that a build compares with the profile; the first sound one is right as a rule."""


def refuse_foreign_folder(index: Path) -> None:
    """Refuse a folder that holds something other than an index.

    Raises:
        CueframeError: The folder does, or is a file.
    """
    strange = index.is_file() or (
        index.is_dir() and not (index / "profile.json").exists() and any(index.iterdir())
    )
    if strange and not any((index / name).exists() for name in (".lock", "vectors")):
        raise CueframeError(
            f"{index} is not an index and not empty; name another folder with --index"
        )


def clear_index(index: Path) -> None:
    """Delete the files of an index, and nothing else."""
    # SQLite would play a killed run's journal back into the next catalog.
    for name in ("profile.json", "catalog.sqlite", "catalog.sqlite-journal", "frames.faiss"):
        (index / name).unlink(missing_ok=True)
    shutil.rmtree(index / "vectors", ignore_errors=True)


def own_profile(
    index: Path,
    *,
    rebuild: bool,
    fps: float | None,
    resize: Resize | None,
    view: ViewMode | None,
) -> Profile | None:
    """Read the profile of an index that is there, and compare what was given with it.

    Args:
        index: Folder of the index.
        rebuild: Whether it is built from scratch, so that nothing has to agree.
        fps: `--fps`; None where it was not given, as those below.
        resize: `--resize`.
        view: `--view`.

    Returns:
        The profile; None of a new index, and of one to be rebuilt whose profile cannot be read.

    Raises:
        CueframeError: A given value is not the one that built the index, or the profile is not that
            of its vectors.
    """
    old: Profile | None = None
    if (index / "profile.json").exists():
        try:
            old = read_profile(index)
        except CueframeError:
            if not rebuild:
                raise
    elif (index / "vectors").exists() and not rebuild:
        read_profile(index)  # says how to get it back
    if old and not rebuild:
        _refuse_suspect_profile(index, old)
        _same("--fps", fps, old.fps, index)
        _same("--resize", resize, old.resize, index)
        _same("--view", view, old.view, index)
    return old


def model_name(model: str | None, old: Profile | None) -> str:
    """Return the name of the model: as given, or the index's own, or the default.

    That of a folder is absolute, so that the index can be queried from any folder.
    """
    name = model or (old.model if old else DEFAULT_MODEL)
    return str(Path(name).absolute()) if is_folder(name) else name


def is_built_by(index: Path, profile: Profile, name: str) -> bool:
    """Return whether a model is known to have built an index, without loading it.

    That is so where its files are as they were when that was last seen.
    """
    known = known_model(index, name, profile.view)
    return name == profile.model and is_builder(known, profile.fingerprint, "vision")


def _refuse_suspect_profile(index: Path, profile: Profile) -> None:
    """Refuse to go on with a profile that made none of the first vector files.

    Every file would look foreign and be written over.
    """
    others = 0
    for path in islice((index / "vectors").glob("*/*.h5"), _LOOKED_AT):
        try:
            made_by = read_vectors(index, path.stem).profile
            others += (made_by.key, made_by.width) != (profile.key, profile.width)
        except CueframeError:
            continue
        if not others:
            return
    if others:
        raise CueframeError(
            f"{index / 'profile.json'} is not of the vector files beside it; python index/check.py "
            f"{index} --repair mends that, and index/build.py --rebuild begins anew"
        )


def _same(flag: str, given: Value | None, own: Value, index: Path) -> None:
    if given is not None and given != own:
        raise CueframeError(
            f"{index} was built with {flag} {own}, not {given}; leave the flag out, name another "
            "--index, or build anew with --rebuild"
        )


def remove_leftovers(index: Path, keep: Path) -> None:
    """Delete leftovers of killed runs, but not this run's rendezvous; call it under the lock."""
    for path in [*index.glob(".*.tmp"), *index.glob("vectors/*/.*.tmp")]:
        path.unlink(missing_ok=True)
    remove_old_rendezvous(index, keep)


def prune_vectors(index: Path, keep: set[str]) -> int:
    """Delete all vector files but those of the contents in `keep`; return how many."""
    gone = [p for p in (index / "vectors").glob("*/*.h5") if p.stem not in keep]
    for path in gone:
        path.unlink()
        with contextlib.suppress(OSError):
            path.parent.rmdir()
    return len(gone)
