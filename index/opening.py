"""Opening an index to write: that it is one, what made its vectors, and clearing away."""

import contextlib
import shutil
from pathlib import Path
from typing import TypeVar

import torch

from index.encoder import Dtype, Encoder, load_encoder
from index.errors import CueframeError
from index.store import Profile, read_profile, write_profile
from index.view import Mode, Resize

DEFAULT_MODEL = "openai/clip-vit-large-patch14"
DEFAULT_FPS = 2.0

Value = TypeVar("Value")


def refuse_strange(index: Path) -> None:
    """Refuse a folder that holds something else than an index.

    Raises:
        CueframeError: It does, or is a file.
    """
    strange = index.is_file() or (
        index.is_dir() and not (index / "profile.json").exists() and any(index.iterdir())
    )
    if strange and not any((index / name).exists() for name in (".lock", "vectors")):
        raise CueframeError(
            f"{index} is not an index and not empty; name another folder with --index"
        )


def empty(index: Path) -> None:
    """Delete what an index holds, and nothing else."""
    for name in ("profile.json", "catalog.sqlite", "frames.faiss"):
        (index / name).unlink(missing_ok=True)
    shutil.rmtree(index / "vectors", ignore_errors=True)


def settle(
    index: Path,
    *,
    rebuild: bool,
    model: str | None,
    fps: float | None,
    resize: Resize | None,
    view: Mode | None,
    dtype: Dtype,
    device: torch.device,
) -> tuple[Encoder, Profile]:
    """Load the encoder and agree on a profile; what is not given comes from the index's own.

    Writes the profile of a new index, and with `rebuild` deletes what an old one holds once the
    encoder is loaded.

    Raises:
        CueframeError: A given value, or the model's vision side, is not what made the index.
    """
    old: Profile | None = None
    if (index / "profile.json").exists():
        try:
            old = read_profile(index)
        except CueframeError:
            if not rebuild:
                raise
    elif (index / "vectors").exists() and not rebuild:
        raise CueframeError(
            f"{index} has vectors but no profile.json that says what made them; restore it, or "
            "build anew with --rebuild"
        )
    if old and not rebuild:
        _same("--fps", fps, old.fps, index)
        _same("--resize", resize, old.resize, index)
        _same("--view", view, old.view, index)
    name = model or (old.model if old else DEFAULT_MODEL)
    if Path(name).is_dir():
        name = str(Path(name).absolute())  # so that the index can be asked from any folder
    mode = view or (old.view if old and not (rebuild and model) else None)
    encoder, fingerprint = load_encoder(name, dtype=dtype, view=mode, device=device)
    if old and not rebuild and fingerprint != old.fingerprint:
        raise CueframeError(
            f"the vision side of {name} is not the one that built {index} ({old.model}): its "
            "vectors would not compare; name another --index, or build anew with --rebuild"
        )
    if old and not rebuild:
        return encoder, old
    profile = Profile(
        model=name,
        fingerprint=fingerprint,
        width=encoder.width,
        fps=fps or (old.fps if old else DEFAULT_FPS),
        resize=resize or (old.resize if old else "exact"),
        view=encoder.view.mode,
        dtype=encoder.dtype,
    )
    empty(index)
    write_profile(index, profile)
    return encoder, profile


def _same(flag: str, given: Value | None, own: Value, index: Path) -> None:
    if given is not None and given != own:
        raise CueframeError(
            f"{index} was built with {flag} {own}, not {given}; leave the flag out, name another "
            "--index, or build anew with --rebuild"
        )


def sweep(index: Path) -> None:
    """Clear away what a killed run was about to write."""
    for path in [*index.glob(".*.tmp"), *index.glob("vectors/*/.*.tmp")]:
        path.unlink(missing_ok=True)
    for path in index.glob(".team-*"):
        shutil.rmtree(path, ignore_errors=True)


def prune_vectors(index: Path, keep: set[str]) -> int:
    """Delete the vector files of contents that are not to be kept; returns how many."""
    gone = [p for p in (index / "vectors").glob("*/*.h5") if p.stem not in keep]
    for path in gone:
        path.unlink()
        with contextlib.suppress(OSError):
            path.parent.rmdir()
    return len(gone)
