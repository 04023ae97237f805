"""A build of videos of which none has changed."""

from collections.abc import Iterator
from pathlib import Path

from tests.bench.frame import Figure, Row, command, file_in, python, spent_by
from tests.bench.materials import make_clip, make_copies, make_video


def rows(folder: Path, whole: bool) -> Iterator[Row]:
    """Yield the row of a build that has nothing to do."""
    count = 10_000 if whole else 2_000
    model = file_in(folder, "tiny", lambda path: make_clip(path, "tiny"))
    video = file_in(folder, "video.mp4", lambda path: make_video(path, 0.2, size=(96, 64)))
    videos = file_in(folder, f"videos-{count}", lambda path: make_copies(path, video, count))
    few = file_in(folder, "videos-10", lambda path: make_copies(path, video, 10))

    def built(of: Path) -> Path:
        def build(path: Path) -> None:
            spent_by(command("index/build.py", of, "--index", path, "--model", model), str(of))

        return file_in(folder, f"index-{of.name}", build)

    yield Row(
        name="a build with nothing to do",
        sides={
            "all": command("index/build.py", videos, "--index", built(videos)),
            "ten": command("index/build.py", few, "--index", built(few)),
            "imports": python("tests.bench.imports", "index.build", "index.building"),
        },
        figures=[
            Figure(
                what="seconds for each 1,000 videos, beside ten",
                of=lambda one: (one["all"].wall_s - one["ten"].wall_s) / ((count - 10) / 1000),
                at_most=0.5,
            ),
            Figure(
                what="seconds in all, beside imports",
                of=lambda one: one["all"].wall_s - one["imports"].wall_s,
                at_most=6,
            ),
            Figure(what="seconds of imports", of=lambda one: one["imports"].wall_s),
        ],
        note=f"{count:,} videos",
    )
