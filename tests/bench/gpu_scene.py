"""Where the checks of a GPU work: folders, shapes and commands."""

from dataclasses import dataclass
from pathlib import Path

import torch

from tests.bench.frame import Spent, command, file_in, spent_by
from tests.bench.materials import Shape, make_clip, make_copies, make_video


@dataclass(frozen=True, kw_only=True)
class Scene:
    """Where the checks work, with what sizes."""

    folder: Path
    tiny: bool
    """Tiny shapes on a CPU."""

    @property
    def device(self) -> torch.device:
        """Where models compute."""
        return torch.device("cpu" if self.tiny else "cuda")

    def sized(self, whole: int, tiny: int) -> int:
        """Return a size, or its tiny stand-in."""
        return tiny if self.tiny else whole

    def model(self, shape: Shape) -> Path:
        """Return a CLIP folder of this shape, the tiny one where all is tiny."""
        shape = "tiny" if self.tiny else shape
        name = shape.replace("/", "-")
        return file_in(self.folder, name, lambda path: make_clip(path, shape))

    def video(self, seconds: int, codec: str = "libx264", **options: str) -> Path:
        """Return a video of 720p, or a tiny one."""
        size = (96, 64) if self.tiny else (1280, 720)

        def make(path: Path) -> None:
            make_video(path, seconds, size=size, codec=codec, options=options or None)

        return file_in(self.folder, f"{codec}-{seconds}.mp4", make)

    def videos(self) -> Path:
        """Return the folder of the videos that are indexed."""
        video = self.video(self.sized(60, 3))
        count = self.sized(48, 3)
        return file_in(self.folder, "videos", lambda path: make_copies(path, video, count))

    def index(self) -> Path:
        """Return the index of these videos; the check of building makes it."""
        index = self.folder / "index"
        if not index.exists():
            self.run("index/build.py", self.videos(), "--index", index, *self.large())
        return index

    def large(self) -> list[object]:
        """Return the flags that name the large encoder."""
        return ["--model", self.model("ViT-L/14")]

    def run(self, script: str, *words: object) -> Spent:
        """Run a command of Cueframe's and return what it cost."""
        argv = command(script, *words)
        if self.tiny:
            argv = ["env", "ACCELERATE_USE_CPU=true", *argv]
        return spent_by(argv, script)
