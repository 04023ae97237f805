"""The life of an index, and the plain model of what it must say.

A seed draws what befalls the files and which builds are killed. After each build that reaches its
end the index must be what `Life.expect` says: each path has the content that is there, each content
the vectors of a fresh index, each name means the right video, and check finds nothing. At any time
the file found for a video is of its content, or there is an error.
"""

import json
import os
import random
import shutil
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from index.checking import check_index
from index.errors import VideoError
from index.storage.catalog import Catalog, VideoRow, all_paths, all_videos, open_catalog
from index.storage.integrity import examine
from index.storage.store import read_profile, read_vectors
from infer.videos.indexed_videos import find_indexed, read_indexed_videos
from infer.videos.video_files import find_video_file
from tests.faults.collection import SLOTS, Collection, hash_of
from tests.faults.conftest import ALONE
from tests.faults.dying import Faults
from tests.faults.warm import Ended, Warm

STEPS = 7
"""Builds of a life."""
LATE_S = 3600.0
"""With a clock so late, files changed long ago; else they are hashed once more."""


@dataclass(frozen=True)
class Truth:
    """What a fresh index of all contents holds."""

    contents: list[Path]
    models: list[Path]
    """The second is a copy of the first, the third has another text side."""
    index: Path
    videos: dict[str, VideoRow]


class Life:
    """A collection, its index, and what the index must say."""

    def __init__(self, warm: Warm, truth: Truth, folder: Path, seed: int) -> None:
        self.warm, self.truth, self.index = warm, truth, folder / "index"
        self.draw = random.Random(seed)
        self.files = Collection(folder, truth.contents, self.draw)
        self.known: dict[str, str] = {}
        """Path to content hash, as the catalog has it."""
        self.model = truth.models[0]
        self.told = [f"seed {seed}"]
        self.kills = 0

    def inherit(self) -> None:
        """Begin with most vectors, as if all videos had been there once: decoding takes long."""
        self.index.mkdir()
        for path in self.truth.index.glob("vectors/*/*.h5"):
            if self.draw.random() < 0.8:
                place = self.index / path.relative_to(self.truth.index)
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, place)
        shutil.copy(self.truth.index / "profile.json", self.index)

    def live(self) -> None:
        if self.draw.random() < 0.8:
            self.inherit()
        for _ in range(4):
            self.told.append(f"put {self.files.put()}")
        for _ in range(STEPS):
            self.build()
            for _ in range(self.draw.randint(0, 4)):
                self.told.append(self.files.act())
                self.find_files()
        self.build(may_die=False)

    def build(self, *, may_die: bool = True) -> None:
        source = self.draw.choice("vvvvvw")
        present = self.files.scanned(source)
        if not present:
            return
        flags = [flag for flag in ("--prune", "--rehash", "--retry") if self.draw.random() < 0.2]
        model = self.draw.choice([self.model, self.model, *self.truth.models])
        dies = may_die and self.draw.random() < 0.3
        late_s = self.draw.choice((0.0, LATE_S))
        before = self.videos()
        states = [self.known, self.after(present, before, prune=False)]
        if "--prune" in flags:
            states.append(self.after(present, before, prune=True))
        ended = self.run(
            source, flags, model, self.fault(late_s) if dies else Faults(late_s=late_s)
        )
        if ended.was_killed:
            self.kills += 1
            if (self.index / "catalog.sqlite").is_file():
                with closing(open_catalog(self.index)) as catalog:
                    self.known = hashes(catalog)
            assert self.known in states
            if (self.index / "profile.json").is_file():
                assert read_profile(self.index).model in (str(self.model), str(model))
                self.model = Path(read_profile(self.index).model)
            return
        self.known, self.model = states[-1], model
        self.expect(ended, source, present, before, pruned="--prune" in flags)
        if late_s and self.draw.random() < 0.3:
            again = self.run(source, [], model, Faults(late_s=late_s))
            result = json.loads(again.out)
            assert (result["hashed"], result["indexed"]) == (0, 0)

    def fault(self, late_s: float) -> Faults:
        """A kill anywhere, or at a statement that changes the catalog."""
        only = self.draw.choice(("", "COMMIT", "DELETE", "INSERT"))
        kill_at = self.draw.randint(1, 4 if only else 50)
        return Faults(kill_at=kill_at, only=only, late_s=late_s)

    def videos(self) -> set[str]:
        """Contents of which the catalog has a video."""
        if not (self.index / "catalog.sqlite").is_file():
            return set()
        with closing(open_catalog(self.index)) as catalog:
            return set(all_videos(catalog))

    def run(self, source: str, flags: list[str], model: Path, faults: Faults) -> Ended:
        ended = self.warm.run(
            "index/build.py",
            *(self.files.folder / source, "--index", self.index, "--model", model, *ALONE, *flags),
            faults=[faults],
        )
        done = ended.operations[0][-1:] if ended.was_killed else ended.code
        self.told.append(f"build {source} {flags} {model.name} {faults.late_s}: {done}")
        return ended

    def after(self, present: dict[str, str], videos: set[str], *, prune: bool) -> dict[str, str]:
        """What is known after a build: of paths that are gone, those whose video is kept."""
        kept = set() if prune else videos - set(present.values())
        others = {
            path: content
            for path, content in self.known.items()
            if Path(path).is_file() or content in kept
        }
        return others | present

    def expect(
        self,
        ended: Ended,
        source: str,
        present: dict[str, str],
        before: set[str],
        *,
        pruned: bool,
    ) -> None:
        """Compare the index with the plain model."""
        good = {c for c, video in self.truth.videos.items() if video.status == "indexed"}
        broken = [slot for slot in SLOTS if os.path.lexists(self.files.folder / slot)]
        links = [slot for slot in broken if not (self.files.folder / slot).is_file()]
        assert not ended.crash, ended.err
        failed = set(present.values()) - good
        lost = [slot for slot in links if slot.startswith(source) or self.links_to_w(source)]
        assert ended.code == bool(failed or lost), ended.err

        with closing(open_catalog(self.index)) as catalog:
            assert hashes(catalog) == self.known
            videos = all_videos(catalog)
        known = set(self.known.values())
        assert {content: video.status for content, video in videos.items()} == {
            content: self.truth.videos[content].status
            for content in known & (before | set(present.values()))
        }
        # Paths of a killed build, in a folder that this one did not search.
        waiting = [path for path, content in self.known.items() if content not in videos]
        stored = {path.stem for path in self.index.glob("vectors/*/*.h5")}
        assert stored == good & videos.keys() if pruned else stored >= good & videos.keys()
        for content in stored:
            made, fresh = (read_vectors(i, content) for i in (self.index, self.truth.index))
            np.testing.assert_array_equal(made.embeddings, fresh.embeddings)
            np.testing.assert_array_equal(made.time_s, fresh.time_s)
        assert read_profile(self.index).model == str(self.model)
        problems = examine(self.index).problems
        assert len(problems) == len(waiting) + len(self.back(stored - videos.keys())), problems
        if not problems and not lost:
            assert check_index(self.index, videos=self.files.folder / source) == 0
        self.find_names(good)

    def links_to_w(self, source: str) -> bool:
        return source == "v" and (self.files.folder / "v/l").is_symlink()

    def back(self, left: set[str]) -> list[str]:
        """Contents that had left and are where they were, out of the last build's sight."""
        hints = {content: read_vectors(self.index, content).path_hint for content in left}
        return [
            content
            for content, hint in hints.items()
            if hint not in self.known and Path(hint).is_file() and hash_of(Path(hint)) == content
        ]

    def find_names(self, good: set[str]) -> None:
        """Each name means what a plain reading of the paths says."""
        indexed = read_indexed_videos(self.index)
        tails = {name for path in self.known for name in (path, *(path[-n:] for n in (5, 7)))}
        for name in tails:
            paths = [p for p in self.known if p == name or p.endswith(f"/{name.lstrip('/')}")]
            meant = {self.known[path] for path in paths}
            if len(meant) > 1:
                meant = {self.known[p] for p in paths if Path(p).is_file()} or meant
            if not meant:
                continue
            if len(meant) == 1 and meant <= good & indexed.videos.keys():
                assert find_indexed(indexed, name)[1].content_hash in meant
            else:
                with pytest.raises(
                    VideoError, match=r"may mean|could not be indexed|has no vectors"
                ):
                    find_indexed(indexed, name)

    def find_files(self) -> None:
        """What would be decoded is of the content that it is decoded for."""
        if not (self.index / "catalog.sqlite").is_file():
            return
        indexed = read_indexed_videos(self.index)
        for content in indexed.paths:
            try:
                path = find_video_file(indexed, content, {})
            except VideoError:
                assert not any(
                    Path(path).is_file() and hash_of(Path(path)) == content
                    for path in indexed.paths[content]
                )
            else:
                assert hash_of(path) == content


def hashes(catalog: Catalog) -> dict[str, str]:
    return {path: seen.content_hash for path, seen in all_paths(catalog).items()}
