"""Draw the bench's videos and write their questions: a side to choose rules on, and a test side.

    python examples/picks/draw.py bench/clips

    bench/clips/choosing/choosing.json, videos/choosing_000.mp4 …
    bench/clips/test/test.json, videos/test_000.mp4 …

`examples/picks/clips.py` says what is in the videos, `examples/picks/asking.py` what is asked.
"""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import tyro

from examples.picks.asking import ask_side_questions
from examples.picks.clips import SIDES, Clips, plan_side
from examples.picks.processes import cores, in_processes
from examples.scenes import Scene, draw_frames, write_questions, write_video
from index.run_command import run
from index.storage.atomic_write import make_folder


def draw_sides(
    folder: Path, sides: Mapping[str, tuple[Clips, ...]], seed: int, processes: int
) -> dict[str, int]:
    """Draw the sides' videos and write their questions, the same for the same seed.

    What an earlier run drew is replaced. Each process draws whole videos; with 1, it is this one.

    Returns:
        The number of questions by side.
    """
    questions = {}
    for side, clips in sides.items():
        shutil.rmtree(folder / side, ignore_errors=True)
        make_folder(folder / side / "videos", "FOLDER")
        scenes = list(plan_side(side, clips, seed))
        # The longest first, so that no core waits for one that came last.
        longest = sorted(scenes, key=lambda scene: -scene.frames)
        in_processes(partial(_draw, folder / side / "videos", seed), longest, processes)
        records = [one for scene in scenes for one in ask_side_questions(scene, side, seed)]
        write_questions(folder / side / f"{side}.json", records)
        questions[side] = len(records)
    return questions


def _draw(videos: Path, seed: int, scene: Scene) -> None:
    write_video(videos / f"{scene.name}.mp4", draw_frames(scene, seed))


@dataclass(kw_only=True, slots=True)
class DrawConfig:
    """Flags of examples/picks/draw.py."""

    folder: tyro.conf.Positional[Path]
    """Folder to draw in."""
    seed: int = 0
    """The same seed draws the same videos."""


def draw(config: DrawConfig) -> int:
    """Draw both sides and print what was drawn; returns 0."""
    drawn = draw_sides(config.folder, SIDES, config.seed, cores())
    for side, questions in drawn.items():
        videos = sum(some.number for some in SIDES[side])
        print(f"drew {videos} videos with {questions} questions in {config.folder / side}")
    return 0


if __name__ == "__main__":
    run(draw, DrawConfig, __doc__)
