"""Damages of the files of an index: by a seed, so that each can be made again.

    damage = make_damage(17, index, world)    # of a copy of world.index

Seeds in a row go through all files and, for each, through all that can befall it.
"""

import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import h5py
import numpy as np

from index.storage.store import read_vectors, write_vectors
from tests.faults.conftest import World

Draw = np.random.Generator


@dataclass(frozen=True)
class Damage:
    """What was done to an index."""

    seed: int
    file: Path
    what: str

    def __str__(self) -> str:
        return f"damage {self.seed}: {self.file.name} {self.what}"


@dataclass(frozen=True)
class Target:
    """A file to be damaged."""

    index: Path
    file: Path
    world: World

    def in_index(self, other: Path) -> Path:
        """The file of this name in another index."""
        return other / self.file.relative_to(self.index)


FILES = ("profile.json", "vectors", "catalog.sqlite", "vectors", "frames.faiss", "vectors")
"""Vector files three times as often as the others."""


def make_damage(seed: int, index: Path, world: World) -> Damage:
    """Damage a copy of the world's index."""
    turn, number = divmod(seed, len(FILES))
    draw = np.random.default_rng(seed)
    name = FILES[number]
    if name == "vectors":
        files = sorted(index.glob("vectors/*/*.h5"))
        target = Target(index, files[draw.integers(len(files))], world)
        kinds = ANY_FILE | VECTOR_FILES
        turn = turn * 3 + number // 2
    else:
        target = Target(index, index / name, world)
        kinds = ANY_FILE | {"profile.json": PROFILE, "catalog.sqlite": CATALOG}.get(name, {})
    what = tuple(kinds)[turn % len(kinds)]
    kinds[what](target, draw)
    return Damage(seed, target.file, what)


def _run(data: bytes, draw: Draw) -> tuple[int, int]:
    """First byte and end of a run of 1 byte to a quarter of the file; short ones as often."""
    length = int(np.exp(draw.uniform(0, np.log(max(2, len(data) / 4)))))
    start = int(draw.integers(len(data) - length + 1))
    return start, start + length


def missing(target: Target, draw: Draw) -> None:
    target.file.unlink()


def empty(target: Target, draw: Draw) -> None:
    target.file.write_bytes(b"")


def truncated(target: Target, draw: Draw) -> None:
    data = target.file.read_bytes()
    target.file.write_bytes(data[: draw.integers(1, len(data))])


def flipped(target: Target, draw: Draw) -> None:
    data = bytearray(target.file.read_bytes())
    data[draw.integers(len(data))] ^= 1 << int(draw.integers(8))
    target.file.write_bytes(data)


def zeroed(target: Target, draw: Draw) -> None:
    data = target.file.read_bytes()
    start, end = _run(data, draw)
    target.file.write_bytes(data[:start] + bytes(end - start) + data[end:])


def noise(target: Target, draw: Draw) -> None:
    data = target.file.read_bytes()
    start, end = _run(data, draw)
    target.file.write_bytes(data[:start] + draw.bytes(end - start) + data[end:])


def appended(target: Target, draw: Draw) -> None:
    with target.file.open("ab") as file:
        file.write(draw.bytes(int(draw.integers(1, 5000))))


def of_other_profile(target: Target, draw: Draw) -> None:
    shutil.copyfile(target.in_index(target.world.other_profile), target.file)


def of_other_videos(target: Target, draw: Draw) -> None:
    files = sorted(target.world.other_videos.glob("vectors/*/*.h5"))
    other = files[draw.integers(len(files))]
    if target.file.suffix != ".h5":
        other = target.in_index(target.world.other_videos)
    shutil.copyfile(other, target.file)


def of_before(target: Target, draw: Draw) -> None:
    """The file as it was before the last build; a vector file of a video of then stays."""
    before = target.in_index(target.world.before)
    if before.is_file():
        shutil.copyfile(before, target.file)


def older_schema(target: Target, draw: Draw) -> None:
    """As version 0.1 wrote it; a catalog or a search index has none, and is of before."""
    if target.file.name == "profile.json":
        text = target.file.read_text()
        target.file.write_text(text.replace('"schema_version": 2', '"schema_version": 1'))
    elif target.file.suffix == ".h5":
        with h5py.File(target.file) as file:
            vectors, time_s, attributes = (
                file["embeddings"][:, 0],
                file["time_s"][:],
                {**file.attrs},
            )
        with h5py.File(target.file, "w") as file:
            file["embeddings"], file["time_s"] = vectors, time_s
            file.attrs.update(attributes | {"schema": 1})
    else:
        of_before(target, draw)


def unreadable(target: Target, draw: Draw) -> None:
    target.file.chmod(0)


ANY_FILE: dict[str, Callable[[Target, Draw], None]] = {
    "is missing": missing,
    "is empty": empty,
    "is cut off": truncated,
    "has a flipped bit": flipped,
    "has a zeroed run": zeroed,
    "has noise in it": noise,
    "has noise behind it": appended,
    "has a flipped bit again": flipped,
    "is of another profile": of_other_profile,
    "is of other videos": of_other_videos,
    "is of before": of_before,
    "is of an older schema": older_schema,
    "cannot be read": unreadable,
}


def one_digit(target: Target, draw: Draw) -> None:
    text = target.file.read_text()
    places = [n for n, letter in enumerate(text) if letter in "0123456789"]
    at = places[draw.integers(len(places))]
    others = [digit for digit in "0123456789" if digit != text[at]]
    target.file.write_text(text[:at] + others[draw.integers(9)] + text[at + 1 :])


def other_value(target: Target, draw: Draw) -> None:
    values = json.loads(target.file.read_text())
    name = ("fps", "fingerprint", "width", "view", "resize", "model")[draw.integers(6)]
    other = {"fps": 4.0, "fingerprint": "0" * 32, "width": 32, "view": "pad", "resize": "decoder"}
    values[name] = other.get(name, str(target.world.folder / "no-model"))
    target.file.write_text(json.dumps(values))


PROFILE = {"has another digit": one_digit, "has another value": other_value}


def other_cell(target: Target, draw: Draw) -> None:
    """A row says something else, as after a slip of the pen in sqlite3's shell."""
    changes = (
        "UPDATE videos SET frames = frames + 1 WHERE number = ?",
        "UPDATE videos SET duration_s = duration_s / 2 WHERE number = ?",
        "UPDATE videos SET number = number + 100 WHERE number = ?",
        "UPDATE videos SET status = 'failed' WHERE number = ?",
        "DELETE FROM videos WHERE number = ?",
        "DELETE FROM paths WHERE rowid = ?",
        "UPDATE paths SET size = size + 1 WHERE rowid = ?",
        "UPDATE paths SET path = path || '~' WHERE rowid = ?",
        "UPDATE paths SET content_hash = (SELECT content_hash FROM videos WHERE status = 'indexed' "
        "AND content_hash != paths.content_hash ORDER BY number LIMIT 1) WHERE rowid = ?",
    )
    with closing(sqlite3.connect(target.file)) as catalog, catalog:
        rows = catalog.execute("SELECT number FROM videos WHERE status = 'indexed'").fetchall()
        number = rows[draw.integers(len(rows))][0]
        # A trigger keeps the hash of a row; who changes a row behind its back does without it.
        triggers = catalog.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
        kept = triggers.fetchall()
        for name, _ in kept:
            catalog.execute(f"DROP TRIGGER {name}")
        catalog.execute(changes[draw.integers(len(changes))], (number,))
        for _, text in kept:
            catalog.execute(text)


CATALOG = {f"has another cell, {n}": other_cell for n in range(4)}


def _other(target: Target, draw: Draw) -> Path:
    files = sorted(target.index.glob("vectors/*/*.h5"))
    files.remove(target.file)
    return files[draw.integers(len(files))]


def swapped(target: Target, draw: Draw) -> None:
    other, data = _other(target, draw), target.file.read_bytes()
    target.file.write_bytes(other.read_bytes())
    other.write_bytes(data)


def of_another_video(target: Target, draw: Draw) -> None:
    shutil.copyfile(_other(target, draw), target.file)


def _changed(target: Target, change: Callable[[np.ndarray], object]) -> None:
    """Change the vectors (F, T, D) by h5py."""
    with h5py.File(target.file, "r+") as file:
        vectors = file["embeddings"][:]
        change(vectors)
        file["embeddings"][:] = vectors


def zero_vector(target: Target, draw: Draw) -> None:
    _changed(target, lambda vectors: vectors[draw.integers(len(vectors))].fill(0))


def all_zero(target: Target, draw: Draw) -> None:
    _changed(target, lambda vectors: vectors.fill(0))


def exponent_bit(target: Target, draw: Draw) -> None:
    def change(vectors: np.ndarray) -> None:
        bits = vectors.view(np.uint16).reshape(-1)
        bits[draw.integers(len(bits))] ^= np.uint16(1 << int(draw.integers(10, 15)))

    _changed(target, change)


def sign_bits(target: Target, draw: Draw) -> None:
    def change(vectors: np.ndarray) -> None:
        bits = vectors.view(np.uint16)
        bits[draw.random(bits.shape) < 0.5] ^= np.uint16(1 << 15)

    _changed(target, change)


def forged(target: Target, draw: Draw) -> None:
    """Another length, and a seal that is right."""
    vectors = read_vectors(target.index, target.file.stem)
    embeddings = vectors.embeddings.copy()
    embeddings[draw.integers(len(embeddings))] *= np.float16((0, 2)[draw.integers(2)])
    write_vectors(target.index, replace(vectors, embeddings=embeddings))


def _elsewhere(target: Target, put: Callable[[h5py.File, np.ndarray, Path], object]) -> None:
    """The vectors are no longer in the file."""
    with h5py.File(target.file, "r+") as file:
        vectors = file["embeddings"][:]
        del file["embeddings"]
        put(file, vectors, target.index.parent / "elsewhere")


def external_storage(target: Target, draw: Draw) -> None:
    def put(file: h5py.File, vectors: np.ndarray, elsewhere: Path) -> None:
        elsewhere.write_bytes(vectors.tobytes())
        external = [(str(elsewhere), 0, vectors.nbytes)]
        file.create_dataset("embeddings", vectors.shape, vectors.dtype, external=external)

    _elsewhere(target, put)


def external_link(target: Target, draw: Draw) -> None:
    def put(file: h5py.File, vectors: np.ndarray, elsewhere: Path) -> None:
        with h5py.File(elsewhere, "w") as other:
            other["v"] = vectors
        file["embeddings"] = h5py.ExternalLink(elsewhere, "v")

    _elsewhere(target, put)


def virtual_dataset(target: Target, draw: Draw) -> None:
    def put(file: h5py.File, vectors: np.ndarray, elsewhere: Path) -> None:
        with h5py.File(elsewhere, "w") as other:
            other["v"] = vectors
        layout = h5py.VirtualLayout(vectors.shape, vectors.dtype)
        layout[:] = h5py.VirtualSource(elsewhere, "v", vectors.shape)
        file.create_virtual_dataset("embeddings", layout)

    _elsewhere(target, put)


VECTOR_FILES: dict[str, Callable[[Target, Draw], None]] = {
    "is swapped with another": swapped,
    "is another video's": of_another_video,
    "has a zero vector": zero_vector,
    "has zero vectors alone": all_zero,
    "has a flipped exponent bit": exponent_bit,
    "has flipped sign bits": sign_bits,
    "is forged": forged,
    "has its vectors in a raw file": external_storage,
    "has its vectors behind a link": external_link,
    "has virtual vectors": virtual_dataset,
}
