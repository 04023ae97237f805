"""A folder of videos as people keep it: what befalls its files, and what it holds, plainly read."""

import os
import random
import shutil
from fractions import Fraction
from pathlib import Path

import xxhash

from tests.videos import Recipe, write

FRAMES = (1, 2, 3, 4, 5)
"""Of each video; two more files are no videos."""
SLOTS = ("v/a.mp4", "v/b.mp4", "v/x/a.mp4", "v/x/b.mp4", "v/y/a.mp4", "w/a.mp4", "w/c.mp4")
"""Where files are: v is built from, as a rule, and w beside it seldom."""
LINK = "v/l"
"""At times a link to w."""
MTIMES_NS = (1_600_000_000_000_000_000, 1_700_000_000_123_456_789)


def make_contents(folder: Path) -> list[Path]:
    """Write small files of different content, all but the last of one size."""
    folder.mkdir()
    made = []
    for frames in FRAMES:
        size = (48 + 16 * frames, 64)
        recipe = Recipe(pts=tuple(range(frames)), time_base=Fraction(1, 2), size=size)
        write(folder / f"{frames}.mp4", recipe)
        made.append(folder / f"{frames}.mp4")
    longest = max(path.stat().st_size for path in made) + 8
    for path in made:
        rest = longest - path.stat().st_size  # an atom that players skip
        path.write_bytes(path.read_bytes() + rest.to_bytes(4, "big") + b"free" + bytes(rest - 8))
    for name, length in (("bad.mp4", longest), ("short.mp4", 10)):
        made.append(folder / name)
        made[-1].write_bytes(b"no" * (length // 2) + b"!" * (length % 2))
    return made


class Collection:
    """The folders v and w, and what a seed does to them."""

    def __init__(self, folder: Path, contents: list[Path], draw: random.Random) -> None:
        self.folder, self.contents, self.draw = folder, contents, draw
        for slot in SLOTS:
            (folder / slot).parent.mkdir(parents=True, exist_ok=True)
        self.actions = (
            *(self.write_over, self.put, self.put, self.copy_over, self.rename, self.rename),
            *(self.swap, self.swap, self.delete, self.link_hard, self.link, self.touch),
            *(self.change_rights, self.link_folder),
        )

    def act(self) -> str:
        """Do something to the files; return what."""
        action = self.draw.choice(self.actions)
        return f"{action.__name__} {action()}"

    def scanned(self, source: str) -> dict[str, str]:
        """Path to content hash of the regular files below v or w."""
        found = {}
        for slot in SLOTS:
            for name in (slot, slot.replace("w/", f"{LINK}/")):
                path = self.folder / name
                if name.startswith(f"{source}/") and path.is_file():
                    found[str(path)] = hash_of(path)
        return found

    def _slot(self, *, there: bool = False) -> Path:
        slots = [self.folder / slot for slot in SLOTS]
        return self.draw.choice([path for path in slots if not there or path.is_file()] or slots)

    def _date(self, path: Path) -> None:
        mtime_ns = self.draw.choice(MTIMES_NS)
        os.utime(path, ns=(mtime_ns, mtime_ns))

    def put(self) -> Path:
        """As a copy with its dates, or a download that is renamed when it is complete."""
        new = self.folder / "new"
        shutil.copy(self.draw.choice(self.contents), new)
        self._date(new)
        return new.replace(self._slot())

    def write_over(self) -> Path:
        path, data = self._slot(there=True), self.draw.choice(self.contents).read_bytes()
        if path.is_file():
            with path.open("r+b") as file:
                file.write(data)
                file.truncate()
            self._date(path)
        return path

    def copy_over(self) -> Path:
        old, new = self._slot(there=True), self._slot()
        if old.is_file() and not (new.exists() and old.samefile(new)):
            shutil.copy2(old, new) if new.is_file() or not new.is_symlink() else None
        return new

    def rename(self) -> str:
        old, new = self._slot(there=True), self._slot()
        if old.is_file():
            old.replace(new)
        return f"{old} to {new}"

    def swap(self) -> str:
        one, other = self._slot(there=True), self._slot(there=True)
        if one != other and one.is_file() and other.is_file():
            one.rename(self.folder / "t")
            other.rename(one)
            (self.folder / "t").rename(other)
        return f"{one} and {other}"

    def delete(self) -> Path:
        path = self._slot(there=True)
        path.unlink(missing_ok=True)
        return path

    def link_hard(self) -> str:
        old, new = self._slot(there=True), self._slot()
        if old.is_file() and not os.path.lexists(new):
            os.link(old, new)
        return f"{new} to {old}"

    def link(self) -> str:
        old, new = self._slot(there=True), self._slot()
        if old != new and not os.path.lexists(new):
            new.symlink_to(old)
        return f"{new} to {old}"

    def touch(self) -> Path:
        path = self._slot(there=True)
        if path.is_file():
            self._date(path)
        return path

    def change_rights(self) -> Path:
        path = self._slot(there=True)
        if path.is_file():
            path.chmod(self.draw.choice((0o600, 0o644)))
        return path

    def link_folder(self) -> Path:
        link = self.folder / LINK
        if link.is_symlink():
            link.unlink()
        else:
            link.symlink_to(self.folder / "w")
        return link


def hash_of(path: Path) -> str:
    return xxhash.xxh3_128_hexdigest(path.read_bytes())
