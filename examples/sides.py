"""Draw the sides of a bench: videos to train on and others to test on, with their questions."""

import shutil
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from examples.picks.processes import in_processes
from examples.scenes import Scene, draw_frames, plan_scene, write_questions, write_video
from index.storage.atomic_write import make_folder

Records = list[dict[str, Any]]


def draw_each_side(
    folder: Path,
    counts: Mapping[str, int],
    seed: int,
    processes: int,
    ask_side: Callable[[str, Sequence[Scene], int], dict[str, Records]],
) -> dict[str, int]:
    """Draw the videos of each side and write its questions; no two sides share a video.

    Args:
        folder: Folder of the sides; what an earlier run drew is replaced.
        counts: Number of videos by side.
        seed: The same seed draws the same videos.
        processes: Number of processes that draw.
        ask_side: From a side, its scenes and the seed to records by the name of their file.

    Returns:
        The number of questions by side, of its first file.
    """
    first, questions = 0, {}
    for side, count in counts.items():
        own = folder / side
        shutil.rmtree(own, ignore_errors=True)
        make_folder(own / "videos", "FOLDER")
        scenes = [plan_scene(number, seed) for number in range(first, first + count)]
        first += count
        in_processes(partial(_draw, own / "videos", seed), scenes, processes)
        files = ask_side(side, scenes, seed)
        for name, records in files.items():
            write_questions(own / f"{name}.json", records)
        questions[side] = len(next(iter(files.values())))
    return questions


def _draw(videos: Path, seed: int, scene: Scene) -> None:
    write_video(videos / f"{scene.name}.mp4", draw_frames(scene, seed))
