"""What befalls commands befalls them over these few videos, questions and indexes."""

import json
import random
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.faults.warm import Ended, Warm, started
from tests.videos import make

KINDS = {
    "few.mp4": "slow",
    "one.mp4": "one_frame",
    "constant.mp4": "constant",
    "vp9.webm": "vp9",
    "ntsc.mp4": "ntsc",
    "bad.mp4": "text",
}
OTHER_KINDS = {"hevc.mp4": "hevc", "late.mp4": "late_start", "sound.mp4": "sound"}
TEXTS = ("Which colour has the car?", "Xe màu gì?", "What stands left of the bridge?")
CHOICES = ("A. Red", "B. Green", "C. Blue", "D. White")
ALONE = ("--batch-frames", "1", "--workers", "1")
"""With which a vector does not depend on the frames that were encoded beside it."""


@dataclass(frozen=True)
class World:
    """Nothing in these folders may be changed."""

    folder: Path

    @property
    def videos(self) -> Path:
        return self.folder / "videos"

    @property
    def model(self) -> Path:
        return self.folder / "model"

    @property
    def questions(self) -> Path:
        return self.folder / "questions.json"

    @property
    def index(self) -> Path:
        """Of all videos; bad.mp4 failed."""
        return self.folder / "index"

    @property
    def before(self) -> Path:
        """The same index when it had but the first three videos."""
        return self.folder / "before"

    @property
    def other_profile(self) -> Path:
        """The same videos, at another rate."""
        return self.folder / "other-profile"

    @property
    def other_videos(self) -> Path:
        """Other videos, with the same profile."""
        return self.folder / "other-videos"


def questions() -> list[dict[str, Any]]:
    """Four about each video that can be indexed, with true frames."""
    draw = random.Random(0)
    records: list[dict[str, Any]] = []
    for name in sorted(KINDS.keys() - {"bad.mp4"}):
        for text in (*TEXTS, f"What happens in {name}?"):
            records.append(
                {
                    "id": f"q{len(records)}",
                    "question": text,
                    "video_path": name,
                    "choices": list(CHOICES),
                    "answer": draw.choice(CHOICES),
                    "support_frames": [round(draw.uniform(0, 1.5), 1) if name != "one.mp4" else 0],
                }
            )
    return records


def build(warm: Warm, world: World, index: Path, *flags: object) -> Ended:
    """Bring an index of all videos up to date."""
    return warm.run(
        "index/build.py", world.videos, "--index", index, "--model", world.model, *ALONE, *flags
    )


@pytest.fixture(scope="session")
def warm() -> Iterator[Warm]:
    with started() as process:
        yield process


@pytest.fixture(scope="session")
def world(warm: Warm, tmp_path_factory: pytest.TempPathFactory) -> World:
    here = World(tmp_path_factory.mktemp("faults"))
    others = here.folder / "videos-of-others"
    for folder, kinds in ((here.videos, KINDS), (others, OTHER_KINDS)):
        folder.mkdir()
        for name, kind in kinds.items():
            make(folder / name, kind)
    here.questions.write_text(json.dumps({"data": questions()}, ensure_ascii=False))
    made = warm.run("examples/tiny_clip.py", here.model, "--questions", here.questions)
    assert made.code == 0, made.err
    warm.preload(here.model)
    some = here.folder / "some.txt"
    some.write_text("".join(f"{here.videos / name}\n" for name in tuple(KINDS)[:3]))
    for index, videos, fps, code in (
        (here.index, some, 2, 0),
        (here.index, here.videos, 2, 1),
        (here.other_profile, here.videos, 1, 1),
        (here.other_videos, others, 2, 0),
    ):
        flags = ("--index", index, "--model", here.model, "--fps", fps, *ALONE)
        ended = warm.run("index/build.py", videos, *flags)
        assert ended.code == code, ended.err
        if videos == some:
            shutil.copytree(index, here.before)
    return here


def copied(source: Path, target: Path) -> Path:
    """A fresh copy; whatever was at the target is gone."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target, symlinks=True)
    return target


@pytest.fixture
def index(world: World, tmp_path: Path) -> Iterator[Path]:
    """A copy that may be changed."""
    yield copied(world.index, tmp_path / "index")
    for folder in (tmp_path / "index", *(tmp_path / "index").rglob("*")):
        if folder.is_dir():
            folder.chmod(0o755)


@pytest.fixture(scope="session")
def answered(warm: Warm, world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with answers."""
    folder = tmp_path_factory.mktemp("answered")
    flags = ("--index", world.index, "--output", folder / "a.jsonl")
    assert warm.run("infer/answer.py", world.questions, *flags).code == 0
    return folder
