"""Open an index for writing: check the folder, load encoder and profile, delete leftovers."""

import contextlib
import shutil
from itertools import islice
from pathlib import Path
from typing import TypeVar

import torch

from index.decoding.sampler import DEFAULT_FPS
from index.distributed import remove_old_rendezvous
from index.errors import CueframeError
from index.messages import say
from index.models.encoder import (
    Encoder,
    load_dual_model,
    ready_encoder,
    refuse_text_tower,
    vision_fingerprint,
)
from index.models.model_loading import DEFAULT_MODEL, Dtype, is_folder
from index.models.preprocess import Resize, ViewMode
from index.proofs import prove_once
from index.storage.store import Profile, read_profile, read_vectors, write_profile

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


def load_encoder_and_profile(
    index: Path,
    *,
    rebuild: bool,
    model: str | None,
    fps: float | None,
    resize: Resize | None,
    view: ViewMode | None,
    dtype: Dtype,
    device: torch.device,
) -> tuple[Encoder, Profile]:
    """Load encoder and profile; arguments that are None are taken from the index's profile.

    Writes the profile of a new index; with `rebuild`, deletes the files of an old one once the
    encoder is loaded. A given model of the same vision side is the profile's from then on: its
    folder was moved, or its text side tuned.

    Raises:
        CueframeError: A given value, or the model's vision side, is not the one that built the
            index, or our vectors are not the model's own (`index.models.proof`).
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
    name = model or (old.model if old else DEFAULT_MODEL)
    if is_folder(name):
        name = str(Path(name).absolute())  # so that the index can be queried from any folder
    mode = view or (old.view if old and not (rebuild and model) else None)
    loaded = load_dual_model(name, mode)
    refuse_text_tower(loaded)
    fingerprint = vision_fingerprint(loaded)
    if old and not rebuild and fingerprint != old.fingerprint:
        raise CueframeError(
            f"the vision side of {name} is not the one that built {index} ({old.model}): its "
            "vectors would not compare; name another --index, or build anew with --rebuild"
        )
    prove_once(index, loaded, "vision", fingerprint, built=bool(old) and not rebuild)
    encoder = ready_encoder(loaded, dtype=dtype, device=device)
    if old and not rebuild:
        if name != old.model:
            say(f"{index} names the model {name} from now on, not {old.model}")
            old = old.model_copy(update={"model": name})
            write_profile(index, old)
        return encoder, old
    profile = Profile(
        model=name,
        fingerprint=fingerprint,
        width=encoder.width,
        fps=fps or (old.fps if old else DEFAULT_FPS),
        resize=resize or (old.resize if old else "exact"),
        view=encoder.transform.mode,
        dtype=encoder.dtype,
    )
    clear_index(index)
    write_profile(index, profile)
    return encoder, profile


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
