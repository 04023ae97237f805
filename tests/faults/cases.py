"""Commands that change files, each with what is there before and what must come out.

A case runs in a folder of its own, which always has the same name, since an index knows paths.
"""

import json
import shutil
import sqlite3
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import xxhash

from tests.faults.conftest import ALONE, World
from tests.faults.warm import Warm
from tests.fixtures_train import as_flags, config, metrics, weights


@dataclass(frozen=True)
class Case:
    """A command to which something happens."""

    script: str
    start: Callable[[Path], object]
    """Puts into the folder what is there before the command runs."""
    flags: Callable[[Path], tuple[object, ...]]
    result: Callable[[Path], dict[str, Any]]
    """What must be the same in the end."""
    valuables: Callable[[Path], set[Any]]
    """What may become more and never less."""
    again: tuple[object, ...] = ()
    """Flags with which a run goes on that did not reach its end."""


def names_in(folder: Path) -> list[str]:
    """All files and folders below a folder, hidden ones too."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def bytes_of(paths: Iterable[Path]) -> set[bytes]:
    return {path.read_bytes() for path in paths}


def contents(world: World) -> dict[str, str]:
    """Name to content hash."""
    return {
        path.name: xxhash.xxh3_128_hexdigest(path.read_bytes()) for path in world.videos.iterdir()
    }


def complete_lines(paths: Iterable[Path]) -> list[dict[str, Any]]:
    """The lines that count."""
    return [json.loads(line) for p in paths for line in p.read_bytes().split(b"\n")[:-1]]


def as_it_is(warm: Warm, index: Path) -> dict[str, Any]:
    """What an index holds, whatever the numbers of its videos."""
    checked = warm.run("index/check.py", index)
    found = warm.run("infer/find.py", "a red car", "--index", index, "--top", 1000)
    with closing(sqlite3.connect(index / "catalog.sqlite")) as catalog:
        paths = catalog.execute("SELECT path, content_hash FROM paths ORDER BY path").fetchall()
        states = catalog.execute("SELECT content_hash, status, error FROM videos ORDER BY 1")
        videos = states.fetchall()
    return {
        "check": (checked.code, checked.out),
        "hits": (found.code, sorted(found.out.splitlines())),
        "paths": paths,
        "videos": videos,
        "files": [name for name in names_in(index) if not name.startswith("quarantine")],
        "vectors": {path.stem: vector_file(path) for path in (index / "vectors").glob("*/*.h5")},
    }


def vector_file(path: Path) -> dict[str, Any]:
    with h5py.File(path) as file:
        held: dict[str, Any] = {name: file[name][:].tobytes() for name in file}
        return held | {name: str(value) for name, value in file.attrs.items()}


def build_case(warm: Warm, world: World, kind: str) -> Case:
    """A build that is fresh, growing, pruned (a file is gone) or without a catalog."""
    first = ("constant.mp4", "few.mp4", "bad.mp4")

    def start(folder: Path) -> None:
        (folder / "videos").mkdir()
        for name in first if kind in ("growing", "pruned") else ():
            shutil.copy2(world.videos / name, folder / "videos" / name)
        if kind in ("growing", "pruned"):
            ended = warm.run("index/build.py", *flags(folder))
            assert ended.code == 1, ended.err
        shutil.copytree(world.videos, folder / "videos", dirs_exist_ok=True)
        if kind == "pruned":
            (folder / "videos" / first[0]).unlink()
        if kind == "catalog":
            shutil.copytree(world.index, folder / "index")
            (folder / "index/catalog.sqlite").unlink()

    def flags(folder: Path) -> tuple[object, ...]:
        own = (folder / "videos", "--index", folder / "index", "--model", world.model, *ALONE)
        return (*own, "--prune") if kind == "pruned" else own

    def valuables(folder: Path) -> set[Any]:
        files = (folder / "index").rglob("[!.]*.h5")
        pruned = contents(world)[first[0]] if kind == "pruned" else ""
        return bytes_of(path for path in files if path.stem != pruned)

    return Case(
        "index/build.py", start, flags, lambda folder: as_it_is(warm, folder / "index"), valuables
    )


def repair_case(warm: Warm, world: World, kind: str) -> Case:
    """A repair of an index that has lost its catalog or its search index, with a file cut off."""

    def start(folder: Path) -> None:
        index = shutil.copytree(world.index, folder / "index")
        cut = min(index.glob("vectors/*/*.h5"))
        cut.write_bytes(cut.read_bytes()[:-100])
        if kind == "catalog":
            (index / "catalog.sqlite").unlink()
        if kind == "search":
            (index / "frames.faiss").unlink()

    def flags(folder: Path) -> tuple[object, ...]:
        return (folder / "index", "--repair", "--videos", world.videos)

    def result(folder: Path) -> dict[str, Any]:
        found = as_it_is(warm, folder / "index")
        # A cut file's video has no vectors now: the build that the repair asks for embeds it.
        index = ("--index", folder / "index", "--model", world.model, *ALONE)
        built = warm.run("index/build.py", world.videos, *index)
        checked = warm.run("index/check.py", folder / "index")
        # What a killed repair was writing stays until that build.
        files = [name for name in names_in(folder / "index") if not name.startswith("quarantine")]
        return found | {"build": (built.code, checked.code, checked.out), "files": files}

    def valuables(folder: Path) -> set[Any]:
        return bytes_of((folder / "index").rglob("[!.]*.h5"))

    return Case("index/check.py", start, flags, result, valuables)


def answer_case(world: World, *more: object) -> Case:
    """Answers over an earlier output."""
    old = b"of an earlier run\n"

    def start(folder: Path) -> None:
        (folder / "a.jsonl").write_bytes(old)

    def flags(folder: Path) -> tuple[object, ...]:
        own = ("--index", world.index, "--output", folder / "a.jsonl")
        return (world.questions, *own, *(str(one).format(folder=folder) for one in more))

    def result(folder: Path) -> dict[str, Any]:
        # A killed process may leave a temporary file, and none can tell that it is not in use.
        names = [name for name in names_in(folder) if not name.startswith(".")]
        return {n: (folder / n).read_bytes() for n in names if (folder / n).is_file()} | {
            "names": names
        }

    def valuables(folder: Path) -> set[Any]:
        output = folder / "a.jsonl"
        logs = folder.glob("a.jsonl.partial/*.jsonl")
        lines = complete_lines(logs if output.read_bytes() == old else [output])
        return {one["id"] for one in lines}

    return Case("infer/answer.py", start, flags, result, valuables)


def mine_case(world: World, *more: object) -> Case:
    def flags(folder: Path) -> tuple[object, ...]:
        files = ("--json_path", world.questions, "--input_folder", world.videos)
        model = ("--model", world.model, "--neg_sim_threshold", 1.1, "--workers", 1)
        return (*files, "--output_folder", folder / "mined", *model, *more)

    def result(folder: Path) -> dict[str, Any]:
        mined = folder / "mined"
        # Not the prepared pictures, which are found by content and prepared anew if lost.
        names = [name for name in names_in(mined) if not name.startswith("preprocessed")]
        files = {name: (mined / name) for name in names}
        return {"files": {n: path.read_bytes() for n, path in files.items() if path.is_file()}}

    def valuables(folder: Path) -> set[Any]:
        mined = folder / "mined"
        lines = complete_lines((*mined.glob("mined.jsonl"), *mined.glob(".mined-*.jsonl")))
        shots = {one["id"]: [*one["true"], *one["negatives"]] for one in lines}
        return {
            name
            for name, own in shots.items()
            if all((mined / shot["file"]).is_file() for shot in own)
        }

    return Case("train/mine.py", lambda folder: None, flags, result, valuables)


def train_case(**changes: Any) -> Case:
    def flags(folder: Path) -> tuple[object, ...]:
        # Pictures of its own, so that it may end while they are prepared.
        own = {"pictures": folder / "pictures", "save_every": 1}
        return tuple(as_flags(config(folder / "trained", **own, **changes)))

    def result(folder: Path) -> dict[str, Any]:
        output = folder / "trained"
        return {
            "metrics": metrics(output),
            "weights": weights(output).tolist(),
            "files": names_in(output),
        }

    def valuables(folder: Path) -> set[Any]:
        steps = [int(path.name[5:]) for path in (folder / "trained").glob("checkpoints/step-*")]
        return set(range(max(steps, default=0) + 1))

    return Case("train/main.py", lambda folder: None, flags, result, valuables, again=("--resume",))


def score_case(warm: Warm, world: World) -> Case:
    """A report, and the questions exported for training."""

    def start(folder: Path) -> None:
        flags = ("--index", world.index, "--output", folder / "a.jsonl", "--reader", "clip")
        ended = warm.run("infer/answer.py", world.questions, *flags)
        assert ended.code == 0, ended.err

    def flags(folder: Path) -> tuple[object, ...]:
        outputs = (
            "--report",
            folder / "report.html",
            *("--export", "kfs-bench"),
            "--export-path",
            folder / "e.json",
        )
        own = ("--index", world.index, "--judge", "none", *outputs)
        return (folder / "a.jsonl", world.questions, *own)

    def result(folder: Path) -> dict[str, Any]:
        return {"files": names_in(folder), "export": (folder / "e.json").read_bytes()}

    def valuables(folder: Path) -> set[Any]:
        return {(folder / "a.jsonl").read_bytes()}

    return Case("infer/score.py", start, flags, result, valuables)


CASES: dict[str, Callable[[Warm, World], Case]] = {
    "build fresh": lambda warm, world: build_case(warm, world, "fresh"),
    "build growing": lambda warm, world: build_case(warm, world, "growing"),
    "build pruned": lambda warm, world: build_case(warm, world, "pruned"),
    "build catalog": lambda warm, world: build_case(warm, world, "catalog"),
    "repair catalog": lambda warm, world: repair_case(warm, world, "catalog"),
    "repair search": lambda warm, world: repair_case(warm, world, "search"),
    "mine": lambda warm, world: mine_case(world),
    "answer": lambda warm, world: answer_case(world),
    "answer submission": lambda warm, world: answer_case(
        world, "--reader", "clip", "--submission", "{folder}/s.csv"
    ),
    "answer frames": lambda warm, world: answer_case(world, "--save-frames", "{folder}/frames"),
    "score": score_case,
    "train": lambda warm, world: train_case(),
    "train validated": lambda warm, world: train_case(ratio=0.25),
}
